"""Five special functions of single numbers, for the intervals that every table shows.

SciPy has them, and importing its `scipy.special` takes longer than all else that a table needs; a test holds these to it.
Sources: the NIST Digital Library of Mathematical Functions (DLMF), at the equations named.
"""

from __future__ import annotations

import functools
import math
import statistics

BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6)  # B₂, B₄, …
LARGE = 12.0  # arguments from which the asymptotic series are exact to a double's last digits


def digamma(x: float) -> float:
    """ψ(x) for x > 0: DLMF 5.5.2 up to LARGE, then 5.11.2."""
    below = 0.0
    while x < LARGE:
        below, x = below + 1 / x, x + 1
    tail = sum(b / (2 * k * x ** (2 * k)) for k, b in enumerate(BERNOULLI, 1))
    return math.log(x) - 1 / (2 * x) - tail - below


def trigamma(x: float) -> float:
    """ψ′(x) for x > 0: as `digamma`, differentiated."""
    below = 0.0
    while x < LARGE:
        below, x = below + 1 / x**2, x + 1
    return below + 1 / x + 1 / (2 * x**2) + sum(b / x ** (2 * k + 1) for k, b in enumerate(BERNOULLI, 1))


def tetragamma(x: float) -> float:
    """ψ″(x) for x > 0: as `trigamma`, differentiated."""
    below = 0.0
    while x < LARGE:
        below, x = below + 2 / x**3, x + 1
    tail = sum((2 * k + 1) * b / x ** (2 * k + 2) for k, b in enumerate(BERNOULLI, 1))
    return -(below + 1 / x**2 + 1 / x**3 + tail)


@functools.lru_cache(1024)
def student_quantile(freedom: float, probability: float) -> float:
    """Where Student's t distribution with ``freedom`` ≥ 1 degrees has this probability below it, from 0.5 up to below 1.

    Newton's method from the normal quantile, which is never above it: right of 0 the distribution is concave, so each
    step stays on the left, and the quantile is reached when a step does not rise any more.
    """
    if not (freedom >= 1 and 0.5 <= probability < 1):
        raise ValueError(f"no quantile of Student's t for {freedom} degrees of freedom and probability {probability}")
    if math.isinf(freedom):
        return statistics.NormalDist().inv_cdf(probability)
    scale = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - 0.5 * math.log(freedom * math.pi)
    t = 0.0 if probability == 0.5 else statistics.NormalDist().inv_cdf(probability)
    for _ in range(200):
        density = math.exp(scale - (freedom + 1) / 2 * math.log1p(t * t / freedom))
        beyond = _incomplete_beta(freedom / (freedom + t * t), freedom / 2, 0.5) / 2
        step = (beyond - (1 - probability)) / density
        if not step > 1e-15 * t:
            break
        t += step
    return t


def fisher_tail(f: float, above: float, below: float) -> float:
    """The probability that Fisher's F with these degrees of freedom, of numerator and denominator, is above ``f`` ≥ 0."""
    return _incomplete_beta(below / (below + above * f), below / 2, above / 2)


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """The regularized incomplete beta function Iₓ(a, b): DLMF 8.17.22 by Lentz's method, on the side where it is quick."""
    if x in (0.0, 1.0):
        return x
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(1 - x, b, a)
    logs = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    c = 1.0
    fraction = d = 1 / (1 - (a + b) * x / (a + 1))
    for m in range(1, 500):
        for part in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d, c = 1 / (1 + part * d), 1 + part / c
            fraction *= d * c
        if abs(d * c - 1) < 1e-16:
            break
    return math.exp(logs) * fraction / a
