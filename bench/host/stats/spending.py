"""The error level of each look at growing data, so that all looks together keep the allowed error (alpha spending).

Looking repeatedly, and stopping at the first interval that suits, errs far more often than the interval says. So the allowed
error is divided over the looks by a spending function that is fixed in advance (Lan and DeMets 1983). Looks at growing data
are correlated, so each may be less strict than if they were independent; recursive integration over the path of the statistic
gives the levels (Armitage, McPherson and Rowe 1969; Jennison and Turnbull 2000, chapters 7 and 19). The time of the last look
may depend on anything but the data; it spends the rest of the error. The levels are those of normal data with known
variance, used with Student's t (the same book, section 4.4).

Sources: Armitage, McPherson and Rowe 1969, "Repeated Significance Tests on Accumulating Data". Lan and DeMets 1983,
"Discrete Sequential Boundaries for Clinical Trials". Jennison and Turnbull 2000, "Group Sequential Methods with
Applications to Clinical Trials".
"""

from __future__ import annotations

import functools
import math

import numpy as np

from bench.host.stats.noise import Floats

POINTS = 400  # of the grid on which the statistic's density is kept
LOWEST, HIGHEST = -8.0, 8.0  # standard deviations between which the statistic always is


def spent(rounds: int, first: int, last: int) -> float:
    """The share of the error that may be spent up to this many rounds: as much for every doubling, from the first look on."""
    doublings = math.log2(last / first) + 1
    return min(1.0, (math.log2(max(rounds, first) / first) + 1) / doublings)


@functools.cache
def levels(looks: tuple[int, ...], tails: tuple[float, ...]) -> tuple[float, ...]:
    """The one-sided level of each look at so many rounds, where ``tails`` are what may be spent up to it.

    Raises ValueError for looks or tails that don't grow.
    """
    from scipy.optimize import brentq  # here: their import takes longer than most commands
    from scipy.special import ndtr

    if list(looks) != sorted(set(looks)) or list(tails) != sorted(tails) or len(looks) != len(tails) or looks[0] < 1:
        raise ValueError(f"expected growing looks and tails, got {looks} and {tails}")
    alphas: list[float] = []
    grid, density = np.zeros(1), np.ones(1)  # of what the statistic would be if it had gone on from the looks before
    before, gone = 0, 0.0
    for look, tail in zip(looks, tails, strict=True):
        step = math.sqrt(look - before)
        reached = grid * math.sqrt(before)
        now = density, reached, look, step, tail - gone
        bound = HIGHEST
        if tail - gone > 1e-14 and _over(HIGHEST, *now) < 0:
            bound = float(brentq(_over, -4.0, HIGHEST, now))
        alphas.append(float(ndtr(-bound)))
        points = np.linspace(LOWEST, bound, POINTS)
        off = (points[:, None] * math.sqrt(look) - reached) / step
        kernel = np.exp(-0.5 * off**2) / math.sqrt(2 * math.pi) * math.sqrt(look) / step
        width = np.full(POINTS, points[1] - points[0])
        width[[0, -1]] /= 2
        grid, density, before, gone = points, (kernel @ density) * width, look, tail
    return tuple(alphas)


def _over(bound: float, density: Floats, reached: Floats, look: int, step: float, share: float) -> float:
    """By how much more than ``share`` a look with this bound would spend."""
    from scipy.special import ndtr

    return float(density @ ndtr((reached - bound * math.sqrt(look)) / step)) - share
