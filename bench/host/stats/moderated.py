"""Variances of few rounds, estimated together: what the cells of a runtime share is not guessed anew for each.

Two or three rounds say next to nothing about their spread: by luck they agree, and the interval is nothing, or they don't,
and it is everything. But the cells of one runtime were measured in the same rounds on the same machine. Their variances
are taken as drawn from one distribution, a scaled inverse chi-square, whose degrees of freedom and scale the variances
themselves tell; each cell's variance is then a weighted mean of its own and the common one, with as many degrees of freedom
as both have, and Student's t keeps its meaning (Smyth 2004, "Linear Models and Empirical Bayes Methods for Assessing
Differential Expression in Microarray Experiments", which is R's `limma`; section 6.2 for the two parameters).

Two things that hold for genes do not hold for cells:

1. **They are not independent.** All are compared with one baseline, and its noise is in each of them: the variances of
   thirty cells then tell little more than that of one. Variances of normal values that correlate by ρ correlate by ρ².
   The mean of it over all pairs of cells is taken from the rounds, and is at least SHARED, which is that of cells whose
   noise equals their baseline's. It says how many independent variances the cells are worth, and how little theirs
   differ by sampling alone (Efron 2007, "Correlation and Large-scale Simultaneous Significance Testing", for how
   correlation changes what many tests together say).
2. **Some are another kind.** One cell may drift while all others are quiet, and must not borrow their calm. Where a
   variance is above the common one by more than chance, OUTLYING, the common one counts for less, down to nothing
   (Phipson, Lee, Majewski, Alexander and Smyth 2016, "Robust Hyperparameter Estimation Protects against Hypervariable
   Genes and Improves Power to Detect Differential Expression").
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import numpy.typing as npt

from bench.host.stats.noise import Floats
from bench.host.stats.special import digamma, fisher_tail, tetragamma, trigamma

SHARED = 0.25  # the squared correlation of two ratios over one baseline, where all three are equally noisy
OUTLYING = 0.05  # probability of a variance as large: below it less is borrowed


@dataclasses.dataclass(frozen=True)
class Prior:
    """What is known of a variance before it is measured: as if ``freedom`` + 1 more values had had ``variance``."""

    variance: float = 0.0
    freedom: float = 0.0

    def moderate(self, variance: float, freedom: float) -> tuple[float, float]:
        """The variance, of so many degrees of freedom, with what is known before; and the freedom of both.

        Of a variance that is too large to be one of these, only its own.
        """
        if not self.freedom:
            return variance, freedom
        usual = fisher_tail(variance / self.variance, freedom, self.freedom)
        known = self.freedom * min(1.0, usual / OUTLYING)
        share = known / (known + freedom)
        return share * self.variance + (1 - share) * variance, known + freedom


def prior(logs: npt.ArrayLike) -> Prior:
    """What the variances of several cells have in common, from their rounds, (cells, rounds); nothing of fewer than three.

    A cell without spread, as one measured against itself, says nothing. Rounds are at least two.
    """
    rounds = np.asarray(logs, dtype=np.float64)
    if rounds.ndim != 2 or rounds.shape[1] < 2:
        return Prior()
    variances = np.var(rounds, axis=1, ddof=1)
    rounds, known = rounds[variances > 0], variances[variances > 0]
    if len(known) < 3:
        return Prior()
    freedom = rounds.shape[1] - 1
    shared = _shared(rounds)
    most = float(freedom) * (len(known) / (1 + (len(known) - 1) * shared) - 1)  # beyond the cell's own
    if most < 1e-6:
        return Prior()
    scaled = np.log(known) - digamma(freedom / 2) + math.log(freedom / 2)
    beyond = float(np.var(scaled, ddof=1)) - (1 - shared) * trigamma(
        freedom / 2
    )  # spread that sampling doesn't explain
    if beyond <= trigamma((most + freedom) / 2):
        return Prior(float(np.mean(known)), most)
    half = min(_inverse_trigamma(beyond), most / 2)
    return Prior(math.exp(float(np.mean(scaled) + digamma(half) - math.log(half))), 2 * half)


def _shared(rounds: Floats) -> float:
    """The mean squared correlation of two cells, (cells, rounds), without what chance adds to it, from SHARED to 1."""
    cells, freedom = len(rounds), rounds.shape[1] - 1
    if freedom < 2:  # two rounds correlate by 1 or -1, whatever they are
        return SHARED
    off = rounds - rounds.mean(axis=1, keepdims=True)
    off /= np.sqrt(np.sum(off**2, axis=1, keepdims=True))
    squared = (float(np.sum((off @ off.T) ** 2)) - cells) / (cells * (cells - 1))
    return float(min(1.0, max(SHARED, (squared * freedom - 1) / (freedom - 1))))


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
