"""The rules by which a claim is confirmed or refuted, and the exact answers to the experiments."""

from __future__ import annotations

import decimal
import functools
import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Literal

from bench.host.stats.paired import Ratio

ClaimVerdict = Literal[
    "confirmed", "more than claimed", "less than claimed", "refuted", "not separable", "not measured"
]
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


def fewer_nodes(before: float, after: float, least: float, most: float) -> ClaimVerdict:
    """Is the share of nodes that disappeared between ``least`` and ``most``? Counts are exact."""
    share = 1 - after / before
    if share <= 0:
        return "refuted"
    return "less than claimed" if share < least else "more than claimed" if share > most else "confirmed"


def steadier(first_before: int | None, first_after: int | None) -> ClaimVerdict:
    """Does the changed form lose its digits at a gap larger by LUCK or more, or never?"""
    before, after = (math.inf if first is None else first for first in (first_before, first_after))
    if before == after or abs(after - before) < LUCK:
        return "not separable"
    return "confirmed" if after > before else "refuted"


def deeper(before: Sequence[dict[str, Any]], after: Sequence[dict[str, Any]]) -> ClaimVerdict:
    """Does the changed sort reach every depth, where the other one fails?"""
    if any(answer["error"] for answer in after):
        return "refuted"
    return "confirmed" if any(answer["error"] for answer in before) else "not separable"


def about(ratio: Ratio, claimed: float) -> ClaimVerdict:
    """Is the claimed ratio inside the interval? One that is wider than a factor of 2 says nothing."""
    if ratio.low is None or ratio.high is None or ratio.high > 2 * ratio.low:
        return "not separable"
    return "more than claimed" if ratio.low > claimed else "less than claimed" if ratio.high < claimed else "confirmed"


def at_least(ratio: Ratio, claimed: float) -> ClaimVerdict:
    """Is all of the interval on one side of the claim?"""
    if ratio.low is None or ratio.high is None or ratio.low < claimed <= ratio.high:
        return "not separable"
    return "confirmed" if ratio.low >= claimed else "refuted"
