"""The verdict on losses, which is bench.host's (a test holds the two together), and a paired ratio in plain Python.

bench.host's own ratio needs NumPy, which the browser does not have: here a round's log-ratio is a one-step biweight mean over
its steps (Beaton and Tukey 1974), and the interval is Student's over rounds. On a quiet machine the two agree. A browser's
clock may tick too coarsely for a step: where one seems to take no time, a round's ratio is that of its steps' sums.
"""

from __future__ import annotations

import math
from statistics import mean, median, stdev
from typing import Any, Dict, List, Sequence, Tuple

from bench.workload.engine import LOSS_TOLERANCE

CUTOFF = 9.0
SMALLEST_SPREAD = 1e-12
TICK = 0.1  # ms, of the coarsest clock


def paired_ratio(baseline: Sequence[Sequence[float]], times: Sequence[Sequence[float]]) -> Dict[str, Any]:
    """Time of the baseline / time of this one, both (rounds, steps), with its 95 % interval over rounds."""
    if not all(map(all, (*baseline, *times))):
        baseline, times = ([[max(math.fsum(steps), TICK)] for steps in rounds] for rounds in (baseline, times))
    rounds = [[math.log(a) - math.log(b) for a, b in zip(*pair)] for pair in zip(baseline, times)]
    middles = [median(steps) for steps in rounds]
    apart = [median(abs(x - middle) for x in steps) for steps, middle in zip(rounds, middles)]
    spread = max(median(apart), SMALLEST_SPREAD)
    logs = [middle + _shift(steps, middle, spread) for steps, middle in zip(rounds, middles)]
    centre = mean(logs)
    if len(logs) == 1:
        return {"value": math.exp(centre), "low": None, "high": None}
    half = t_quantile(len(logs) - 1, 0.975) * stdev(logs) / math.sqrt(len(logs))
    return {"value": math.exp(centre), "low": math.exp(centre - half), "high": math.exp(centre + half)}


def _shift(steps: List[float], middle: float, spread: float) -> float:
    """The one-step biweight mean's distance from the median."""
    distances = [x - middle for x in steps]
    weights = [max(0.0, 1 - (d / (CUTOFF * spread)) ** 2) ** 2 for d in distances]
    total = math.fsum(weights)
    return math.fsum(w * d for w, d in zip(weights, distances)) / total if total else 0.0


def t_quantile(freedom: int, p: float) -> float:
    """Student's t quantile, p above a half, by bisection on the distribution's closed form for whole degrees of freedom."""
    low, high = 0.0, 1.0
    while t_probability(freedom, high) < p:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if t_probability(freedom, middle) < p else (low, middle)
    return (low + high) / 2


def t_probability(freedom: int, t: float) -> float:
    """Student's t distribution function (Abramowitz and Stegun 1964, 26.7.3 and 26.7.4)."""
    angle = math.atan(t / math.sqrt(freedom))
    cosine2, term, total = math.cos(angle) ** 2, 1.0, 0.0
    odd = freedom % 2
    for i in range(freedom // 2):
        total += term
        term *= cosine2 * ((2 * i + 2) / (2 * i + 3) if odd else (2 * i + 1) / (2 * i + 2))
    if odd:
        inner = math.sin(angle) * math.cos(angle) * total
        return 0.5 + (angle + inner) / math.pi
    return 0.5 + math.sin(angle) * total / 2


def verdict(reference: Sequence[str], losses: Sequence[str]) -> Tuple[str, str]:
    """Two lists of losses as float.hex: one of the three words of parity, and the same with steps."""
    largest, first = 0.0, 0
    for step, (expected, got) in enumerate(zip(reference, losses), 1):
        if expected == got:
            continue
        first, apart = first or step, abs(float.fromhex(got) - float.fromhex(expected))
        if not apart <= LOSS_TOLERANCE:  # NaN is not either
            return "DIVERGED", f"DIVERGED: off by {apart:.1e} at step {step}"
        largest = max(largest, apart)
    if first:
        return "rounding", f"within {largest:.0e}, first at step {first} of {len(losses)}"
    return "bit-identical", f"same bits, {len(losses)} steps"
