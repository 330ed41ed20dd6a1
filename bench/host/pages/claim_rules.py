"""The rules by which a claim gets its verdict, and the exact answers to the experiments."""

from __future__ import annotations

import decimal
import functools
import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Literal

ClaimVerdict = Literal[
    "confirmed", "more than claimed", "less than claimed", "not separable", "not testable here", "no run here has it"
]
MEANING: dict[ClaimVerdict, str] = {
    "confirmed": "the whole interval of what is measured lies within what is claimed",
    "more than claimed": "the whole interval lies above it: faster, or a larger change, than the claim says",
    "less than claimed": "the whole interval lies below it",
    "not separable": "the interval reaches over a bound of the claim: the run can't tell",
    "not testable here": "it needs what this project does not have or do; the reason stands beside it",
    "no run here has it": "it can be tested, and no run that the page was made from did; the command stands below",
}
DIGITS = 16.0  # of a double, about
HALF = 8.0
LUCK = 5  # of gap, two digits: gaps nearer than this are lost a little earlier or later by how the numbers round


@functools.cache
def exact(gap: int, target: int) -> list[Decimal]:
    """The loss and its gradients for the logits (gap, 0, −1), to fifty digits."""
    with decimal.localcontext(prec=50):
        logits = [Decimal(gap), Decimal(0), Decimal(-1)]
        exps = [(x - logits[0]).exp() for x in logits]
        total = sum(exps, Decimal(0))
        # ln of a number near 1 needs as many digits again as its distance from 1 has zeros
        with decimal.localcontext(prec=50 + int(gap / math.log(10))):
            loss = sum(((x - logits[0]).exp() for x in logits), Decimal(0)).ln() - (logits[target] - logits[0])
        return [+loss, *(e / total - (i == target) for i, e in enumerate(exps))]


def digits_kept(answer: dict[str, Any]) -> float:
    """Decimal digits that are right in the loss and in each gradient, the fewest of them; 0 after an error."""
    if answer["error"]:
        return 0.0
    fewest = DIGITS
    for got, expected in zip([answer["loss"], *answer["gradients"]], exact(answer["gap"], answer["target"])):
        value = float.fromhex(got)
        if not math.isfinite(value):
            return 0.0
        if abs(expected) < Decimal("1e-307"):  # beyond what doubles can tell from 0
            continue
        error = abs(Decimal(value) - expected) / abs(expected)
        fewest = min(fewest, DIGITS if not error else float(-error.log10()))
    return max(0.0, fewest)


def first_bad_gap(answers: Sequence[dict[str, Any]], target: int) -> dict[str, Any] | None:
    """The smallest gap from which on half of the digits are lost, or more; None where that is nowhere."""
    mine = sorted((answer for answer in answers if answer["target"] == target), key=lambda answer: int(answer["gap"]))
    bad = [answer for answer in mine if digits_kept(answer) < HALF]
    return bad[0] if bad else None


def within(low: float | None, high: float | None, least: float, most: float, above: bool = False) -> ClaimVerdict:
    """Where does the measured interval lie, against the claimed ``least`` to ``most``? Exact numbers are low == high.

    ``above``: the claim is only "more than ``least``", so that equal is less. No interval tells nothing.
    """
    if low is None or high is None:
        return "not separable"
    if above:
        return "confirmed" if low > least else "less than claimed" if high <= least else "not separable"
    if low > most:
        return "more than claimed"
    if high < least:
        return "less than claimed"
    return "confirmed" if least <= low and high <= most else "not separable"


def steadier(first_before: int | None, first_after: int | None) -> ClaimVerdict:
    """Does the changed form lose its digits at a gap larger by LUCK or more, or never?"""
    before, after = (math.inf if first is None else first for first in (first_before, first_after))
    if before == after or abs(after - before) < LUCK:
        return "not separable"
    return "confirmed" if after > before else "less than claimed"


def deeper(before: Sequence[dict[str, Any]], after: Sequence[dict[str, Any]]) -> ClaimVerdict:
    """Does the changed sort reach every depth, where the other one fails?"""
    if any(answer["error"] for answer in after):
        return "less than claimed"
    return "confirmed" if any(answer["error"] for answer in before) else "not separable"


def gap_text(answer: dict[str, Any] | None) -> str:
    """The first bad gap, in words."""
    if answer is None:
        return "nowhere"
    return f"{answer['gap']} ({answer['error'].partition(':')[0] or f'{digits_kept(answer):.0f} digits left'})"


def reach_text(depths: Sequence[dict[str, Any]]) -> str:
    """The longest chain that was walked, and what happened at the next one, in words."""
    good = max((answer["length"] for answer in depths if not answer["error"]), default=0)
    bad = next((answer for answer in depths if answer["error"]), None)
    return f"{good:,}" + (f", {bad['error']} at {bad['length']:,}" if bad else "")
