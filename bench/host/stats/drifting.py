"""Rounds that are alike to their neighbours in time: how sure that is, and what their mean is worth then.

The load of a machine changes slowly, and an engine that needs much memory suffers more from it than one that fits the cache:
then their ratio drifts, and rounds are no independent replicates. Nine rounds that rise from 23 to 37 saw one rise, not nine
loads, and their scatter divided by nine says too little about the ratio at the machine's usual load.

1. **Alike to their neighbours?** Von Neumann's ratio: the squared differences of successive rounds over the squared
   deviations from the mean, 2 on average of independent rounds and less where they drift. Its distribution there is close
   to a beta distribution on 0 to 4 with the same variance.
2. **What the mean is worth.** Where independent rounds would be so much alike less than once in ten times, the variance is
   that of the rounds' slowest SWINGS cosines, which have all of the drift and little else, with as many degrees of freedom:
   the equal-weighted cosine estimator of the long-run variance. It never makes an interval narrower. Of a steady rise
   the interval is then about as wide as the rise. A test that independent rounds pass in nine of ten cases leaves the
   intervals of quiet machines as they are; always using the cosines would make all of them 15 to 25 % wider.
3. **Few rounds** can't show it: below FEWEST there is no test.

Sources: von Neumann 1941, "Distribution of the Ratio of the Mean Square Successive Difference to the Variance". Müller 2007, "A
Theory of Robust Long-run Variance Estimation". Lazarus, Lewis, Stock and Watson 2018, "HAR Inference: Recommendations for
Practice".
"""

from __future__ import annotations

import math

import numpy as np

from bench.host.stats.noise import Floats
from bench.host.stats.special import fisher_tail

ALIKE = 0.1  # rounds less probable than this, were they independent, are not taken as independent
SURE = 0.001  # below this a table says so
SWINGS = 3  # cosines of at most one and a half periods in all rounds
FEWEST = 5


def chance(logs: Floats) -> float:
    """How often so many independent rounds, (rounds,), would be as alike to their neighbours; 1 where rounds are too few."""
    count = len(logs)
    squares = float(np.sum((logs - np.mean(logs)) ** 2)) if count >= FEWEST else 0.0
    if squares <= 0:
        return 1.0
    share = float(np.sum(np.diff(logs) ** 2)) / squares / 4
    if share <= 0 or share >= 1:
        return float(share >= 1)
    beta = (count**2 - 1) / (count - 2) - 1  # twice the parameter, and so Fisher's degrees of freedom
    return fisher_tail(1 / share - 1, beta, beta)


def slow_variance(logs: Floats) -> tuple[float, int]:
    """The variance of a round that gives the mean of so many its error where they drift, and its degrees of freedom."""
    count = len(logs)
    swings = np.arange(1, min(SWINGS, count - 1) + 1)
    cosines = np.cos(np.pi * swings[:, None] * (np.arange(count) + 0.5) / count)
    return float(np.mean(np.sum(cosines * logs, axis=1) ** 2) * 2 / count), len(swings)


def levels(logs: Floats) -> tuple[float, float]:
    """From where to where the rounds drift: the lowest and the highest mean of a third of them, in the order of time."""
    thirds = [float(np.mean(third)) for third in np.array_split(logs, 3)]
    first, last = sorted((int(np.argmin(thirds)), int(np.argmax(thirds))))
    return math.exp(thirds[first]), math.exp(thirds[last])
