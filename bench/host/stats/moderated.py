"""Variances of few rounds, estimated together: what the cells of a runtime share is not guessed anew for each.

Two or three rounds say next to nothing about their spread: by luck they agree, and the interval is nothing, or they don't,
and it is everything. But the cells of one runtime were measured in the same rounds on the same machine. Their variances
are taken as drawn from one distribution, a scaled inverse chi-square, whose degrees of freedom and scale the variances
themselves tell; each cell's variance is then a weighted mean of its own and the common one, with as many degrees of freedom
as both have, and Student's t keeps its meaning (Smyth 2004, "Linear Models and Empirical Bayes Methods for Assessing
Differential Expression in Microarray Experiments", which is R's `limma`; section 6.2 for the two parameters).
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import numpy.typing as npt

from bench.host.stats.special import digamma, tetragamma, trigamma


@dataclasses.dataclass(frozen=True)
class Prior:
    """What is known of a variance before it is measured: as if ``freedom`` + 1 more values had had ``variance``."""

    variance: float = 0.0
    freedom: float = 0.0

    def moderate(self, variance: float, freedom: float) -> tuple[float, float]:
        """The variance, of so many degrees of freedom, with what is known before; and the freedom of both."""
        if not self.freedom:
            return variance, freedom
        share = self.freedom / (self.freedom + freedom)
        return share * self.variance + (1 - share) * variance, self.freedom + freedom


def prior(variances: npt.ArrayLike, freedom: float) -> Prior:
    """What these variances, of ``freedom`` degrees each, have in common; nothing of fewer than three.

    Its freedom is never more than what all of them have together: they are estimates, too. A variance of 0, of a cell
    measured against itself, says nothing.
    """
    known = np.asarray(variances, dtype=np.float64)
    known = known[known > 0]
    if len(known) < 3 or freedom <= 0:
        return Prior()
    logs = np.log(known) - digamma(freedom / 2) + math.log(freedom / 2)
    beyond = float(np.var(logs, ddof=1) - trigamma(freedom / 2))  # spread that sampling doesn't explain
    most = freedom * len(known)
    if beyond <= trigamma(most / 2):
        return Prior(float(np.mean(known)), most)
    half = min(_inverse_trigamma(beyond), most / 2)
    return Prior(math.exp(float(np.mean(logs) + digamma(half) - math.log(half))), 2 * half)


def _inverse_trigamma(value: float) -> float:
    """Where the trigamma function has this value above 0, by Newton's method on its reciprocal (Smyth 2004, appendix)."""
    x = 0.5 + 1 / value
    for _ in range(50):
        there = trigamma(x)
        change = there * (1 - there / value) / tetragamma(x)
        x += change
        if abs(change) < 1e-12 * x:
            break
    return x
