"""One ratio of several machines: first within each, then across them, with the machine as a level of its own.

A machine's ratio is its own: another processor has other caches, and an engine may be faster on one and slower on another.
So rounds of different machines are no replicates of one another. Of each machine there is a log-ratio and its standard
error (`paired`), and the machines are taken as drawn from all that one might have used: the random-effects model.

1. **Between machines** their log-ratios have a variance τ², by Paule and Mandel 1982, solved as DerSimonian and Kacker 2007
   say: that at which the weighted squares around the mean are what they should be.
2. **Interval.** Hartung and Knapp 2001 (also Sidik and Jonkman 2002): the weighted spread of the machines themselves, and
   Student's t of machines - 1 degrees of freedom. Two machines have one degree, and 12.7 standard errors: what two
   machines say of all others is little, and the interval is as wide as that.
3. **Few rounds.** The variance of two or three rounds says little, and weights made of it would make the interval too short.
   So each machine's variance is a mean of its own and that of all together, which counts for PRIOR degrees of freedom
   (as `moderated` does it over engines, Smyth 2004; how many, by simulation: a test shows the coverage). A machine with a single round has the common one.
4. **Disagreement.** τ as a ratio, I² (Higgins and Thompson 2002), and the probability of such differences by chance
   where all machines have one ratio (Welch 1951, which allows for variances that differ and are estimated).

Sources: Welch 1951, "On the Comparison of Several Mean Values: An Alternative Approach". Paule and Mandel 1982, "Consensus
Values and Weighting Factors". Hartung and Knapp 2001, "A Refined Method for the Meta-analysis of Controlled Clinical Trials
with Binary Outcome". Sidik and Jonkman 2002, "A Simple Confidence Interval for Meta-analysis". Higgins and Thompson 2002,
"Quantifying Heterogeneity in a Meta-analysis". DerSimonian and Kacker 2007, "Random-effects Model for Meta-analysis of
Clinical Trials: An Update".
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

from bench.host.stats.paired import Estimate, Ratio
from bench.host.stats.special import fisher_tail, student_quantile

PRIOR = 4.0  # degrees of freedom for which the variance of all machines together counts in that of each
BY_CHANCE = 0.001  # differences less probable than this are the machines'


@dataclasses.dataclass(frozen=True)
class Across:
    """The ratio over all machines, and by machine; ``tau`` of log-ratios between machines, ``share`` is I², from 0 to 1.

    ``chance``: the probability of differences as large as these where there are none; None where no variance is known.
    """

    ratio: Ratio
    machines: Mapping[str, Ratio]
    tau: float
    share: float
    chance: float | None

    @property
    def spread(self) -> float:
        """By how much a machine's ratio differs from the mean one, as a standard deviation: 0.05 is 5 %."""
        return math.expm1(self.tau)

    @property
    def opposite(self) -> bool:
        """Whether it is faster on one machine and slower on another, both with 95 % confidence."""
        known = [ratio for ratio in self.machines.values() if ratio.separable]
        return len({ratio.value > 1 for ratio in known}) == 2

    @property
    def disagree(self) -> bool:
        """Whether machines differ, by more than chance or in which of the two is faster."""
        return self.opposite or (self.chance is not None and self.chance < BY_CHANCE)


def across(estimates: Mapping[str, Estimate], confidence: float = 0.95) -> Across:
    """The ratio of at least two machines. Raises ValueError for fewer."""
    if len(estimates) < 2:
        raise ValueError(f"expected two machines or more, got {len(estimates)}")
    logs = [each.log for each in estimates.values()]
    variances = _moderated(list(estimates.values()))
    mean, error, tau_squared = random_effects(logs, variances)
    half = student_quantile(len(logs) - 1, (1 + confidence) / 2) * error
    rounds, outliers = (sum(getattr(each, name) for each in estimates.values()) for name in ("rounds", "outliers"))
    return Across(
        Ratio(math.exp(mean), math.exp(mean - half), math.exp(mean + half), rounds, outliers),
        {machine: each.ratio(confidence) for machine, each in estimates.items()},
        math.sqrt(tau_squared),
        inconsistency(logs, variances),
        _chance(logs, variances, [each.freedom for each in estimates.values()]),
    )


def random_effects(logs: Sequence[float], variances: Sequence[float]) -> tuple[float, float, float]:
    """The mean of several values of known variance, its standard error by Hartung and Knapp, and Paule and Mandel's τ²."""
    between = _between(logs, variances)
    mean, weights = _mean(logs, [variance + between for variance in variances])
    squares = sum(weight * (log - mean) ** 2 for weight, log in zip(weights, logs))
    return mean, math.sqrt(squares / (len(logs) - 1) / sum(weights)), between


def inconsistency(logs: Sequence[float], variances: Sequence[float]) -> float:
    """I²: the share of the values' variance that is between them, and not of each."""
    squares = _squares(logs, variances)
    return 0.0 if squares <= 0 else max(0.0, 1 - (len(logs) - 1) / squares)


def _moderated(estimates: Sequence[Estimate]) -> list[float]:
    """The variances of the machines' log-ratios; 0 where no machine has two rounds."""
    freedom = sum(each.freedom for each in estimates)
    if not freedom:
        return [0.0] * len(estimates)
    common = sum(each.freedom * each.variance for each in estimates) / freedom
    prior = min(PRIOR, freedom)
    return [
        (each.freedom * each.variance + prior * common) / (each.freedom + prior) / each.rounds for each in estimates
    ]


def _mean(logs: Sequence[float], variances: Sequence[float]) -> tuple[float, list[float]]:
    least = max(min(variances), 1e-30)
    weights = [1 / max(variance, least) for variance in variances]
    return sum(weight * log for weight, log in zip(weights, logs)) / sum(weights), weights


def _squares(logs: Sequence[float], variances: Sequence[float]) -> float:
    """Cochran's Q."""
    mean, weights = _mean(logs, variances)
    return sum(weight * (log - mean) ** 2 for weight, log in zip(weights, logs))


def _between(logs: Sequence[float], variances: Sequence[float]) -> float:
    """τ², at which Q is machines - 1; Q falls as it grows, so by halving."""
    mean, expected = sum(logs) / len(logs), len(logs) - 1
    if _squares(logs, variances) <= expected:
        return 0.0
    low, high = 0.0, sum((log - mean) ** 2 for log in logs) / expected  # where Q is at most what is expected
    for _ in range(100):
        middle = (low + high) / 2
        if _squares(logs, [variance + middle for variance in variances]) > expected:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _chance(logs: Sequence[float], variances: Sequence[float], freedoms: Sequence[float]) -> float | None:
    """Welch's test that all means are one, of the machines that have a variance of their own; None for fewer than two.

    Its degrees of freedom are theirs alone, as if nothing were known of the others: then no more are found than there should be.
    """
    known = [each for each in zip(logs, variances, freedoms) if each[1] > 0 and each[2] > 0]
    if len(known) < 2:
        return None
    logs, variances, freedoms = zip(*known)
    count = len(logs)
    _, weights = _mean(logs, variances)
    uneven = sum((1 - weight / sum(weights)) ** 2 / freedom for weight, freedom in zip(weights, freedoms))
    f = _squares(logs, variances) / (count - 1) / (1 + 2 * (count - 2) / (count**2 - 1) * uneven)
    return fisher_tail(f, count - 1, (count**2 - 1) / (3 * uneven))
