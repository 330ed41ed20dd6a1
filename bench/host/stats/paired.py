"""Paired statistics: how many times as fast one cell is as another, and how sure that is.

In one round every cell does step k at nearly the same moment, and step k is the same work in every cell and in every
round. What is estimated: the ratio of the mean costs of a step, geometrically over the steps and over the processes.

1. **Costs by likelihood.** Bursts of a shared machine, in which steps take up to twice as long, are as frequent in both
   cells. So each step's cost is estimated from all rounds by the likelihood of the noise that the run shows (`likelihood`),
   which hardly sees them.
2. **No further than needed.** A cost of one cell that falls on few steps or few processes, as a collector's pause at random
   or a second class of processes, looks like a burst, and would be passed over. So residuals are clipped at the widest
   of CUTS at which the cell with the lighter noise still does not suffer from it: what both cells show is the machine, what one of them
   shows alone is its cost. On a quiet machine nothing is clipped: the estimate is then exactly the mean of the paired log-ratios,
   in which drift cancels (Bulej et al. 2020). The same where the mean is hardly wider than what clipping gives.
   Huber 1964 for clipping, Jaeckel 1971 for letting the data say how much.
   Nor is anything clipped where the load changes the ratio itself, as that of an engine that needs the memory more than the
   other: clipping would show the ratio of the quietest rounds as if it were sure (`_moves`).
3. **Rounds, by Student's t.** A round's say is its pseudo-value; these are averaged, with a t interval of R - 1 degrees of
   freedom (Student 1908). Processes of the same program differ by several per cent (address layout, hash seed), and more
   steps don't average that out, so the process is what must be replicated (Kalibera, Bulej and Tůma 2005; Georges et al.
   2007; Mytkowicz et al. 2009; Kalibera and Jones 2013). Correlation between steps is harmless. One round has no interval.
4. **Few rounds together.** Where several cells were measured in the same rounds, their variances are moderated (`moderated`).
5. **Rounds that drift** are not independent, and their interval is wider (`drifting`).

Chosen on recordings of equal and slowed-down copies and by simulation: `microgpt-bench calibrate --recordings` shows it beside
the mean over rounds of the biweight mean over steps (used before), medians, means and low quantiles. Low quantiles are as
good while the machine is busy, and wrong while it is not: they drop what befalls a process now and then. A limit: a cost at random
that looks just like the bursts of a busy machine is not in the ratio, as nothing can tell the two apart.

Sources: Student 1908, "The Probable Error of a Mean". Huber 1964, "Robust Estimation of a Location Parameter". Jaeckel
1971, "Some Flexible Estimates of Location". Fleming and Wallace 1986, "How Not to Lie with Statistics: The Correct Way to
Summarize Benchmark Results". Kalibera, Bulej and Tůma 2005, "Benchmark Precision and Random Initial State". Georges,
Buytaert and Eeckhout 2007, "Statistically Rigorous Java Performance Evaluation". Mytkowicz, Diwan, Hauswirth and Sweeney
2009, "Producing Wrong Data Without Doing Anything Obviously Wrong!". Kalibera and Jones 2013, "Rigorous Benchmarking in
Reasonable Time". Bulej et al. 2020, "Duet Benchmarking: Improving Measurement Accuracy in the Cloud".
"""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bench.host.stats import drifting, likelihood
from bench.host.stats.moderated import Prior
from bench.host.stats.noise import Floats
from bench.host.stats.special import fisher_tail, student_quantile

CUTS = (0.07, 0.1, 0.14, 0.2, 0.28, 0.4, math.inf)  # of a residual, in log-seconds
SUFFERS = 2.0  # times the variance at the narrowest cut, of the cell with the lighter noise: bursts are above it
WORTH = 1.25  # times the smallest variance of the ratio: not clipping is worth so much
APART = 0.01  # probability of rounds' own ratios so far apart, if the load does not change them
WITH_LOAD = 0.05  # and of their correlation with it
TOGETHER = 2_000  # steps of all rounds of a cell whose fits are computed at once, for the memory that takes
SAME = 1.02  # an interval within a factor of this around 1 says "equal", not "too noisy"


@dataclasses.dataclass(frozen=True)
class Ratio:
    """Time of the baseline / time of this one, above 1 is faster; the interval is None where rounds are too few."""

    value: float
    low: float | None
    high: float | None
    rounds: int
    outliers: int = 0  # pairs of steps of which one was clipped

    @property
    def separable(self) -> bool:
        """Whether the interval leaves out 1."""
        return self.low is not None and self.high is not None and not self.low <= 1 <= self.high

    @property
    def noisy(self) -> bool:
        """Whether the run can tell neither that the two differ nor that they are equal within 2 %."""
        if self.low is None or self.high is None:
            return True
        return not self.separable and not 1 / SAME < self.low <= self.high < SAME


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A log-ratio over rounds, and the ``variance`` of what one round says, of so many degrees of freedom: 0 of one round.

    ``drift``: from which ratio to which the rounds drift over the run, where that is no chance; else None.
    """

    log: float
    variance: float
    freedom: float
    rounds: int
    outliers: int = 0
    drift: tuple[float, float] | None = None

    def ratio(self, confidence: float) -> Ratio:
        """With its interval; None for one round."""
        if not self.freedom:
            return Ratio(math.exp(self.log), None, None, self.rounds, self.outliers)
        half = student_quantile(self.freedom, (1 + confidence) / 2) * math.sqrt(self.variance / self.rounds)
        low, high = math.exp(self.log - half), math.exp(self.log + half)
        return Ratio(math.exp(self.log), low, high, self.rounds, self.outliers)


def paired_ratio(
    baseline_seconds: npt.ArrayLike,
    seconds: npt.ArrayLike,
    confidence: float = 0.95,
    prior: Prior = Prior(),  # noqa: B008 - it is frozen
) -> Ratio:
    """The ratio of two cells, both (rounds, steps) in seconds, NaN where missing. ``prior``: of the rounds' variance.

    Raises ValueError for unequal shapes, for times that are not above 0, and where no step is in both.
    """
    logs, outliers = round_log_ratios(baseline_seconds, seconds)
    return estimate(logs, outliers, prior).ratio(confidence)


def geometric_mean(
    ratios: Sequence[tuple[Floats, int]],
    confidence: float = 0.95,
    prior: Prior = Prior(),  # noqa: B008
) -> Ratio:
    """The geometric mean of several ratios, of each what `round_log_ratios` found in the same rounds.

    The log-ratios are averaged over the pairs within each round (Fleming and Wallace 1986 say why geometrically), so
    that rounds stay the unit of replication and what a round's pairs share is not counted as independent. A round
    that lacks a pair is left out. Raises ValueError for no round that has all of them, and for unequal rounds.
    """
    return mean_estimate(ratios, prior).ratio(confidence)


def mean_estimate(ratios: Sequence[tuple[Floats, int]], prior: Prior) -> Estimate:
    """As `geometric_mean`, before an interval is made of it."""
    if len({len(logs) for logs, _ in ratios}) != 1:
        raise ValueError(f"expected pairs of equally many rounds, got {[len(logs) for logs, _ in ratios]}")
    logs = np.mean([logs for logs, _ in ratios], axis=0)
    return estimate(logs, sum(outliers for _, outliers in ratios), prior)


def typical(seconds: npt.ArrayLike) -> float:
    """Seconds per step as tables show it: the median over all steps of all rounds. Ratios are not made from it."""
    return float(np.nanmedian(np.asarray(seconds, dtype=np.float64)))


def round_log_ratios(baseline_seconds: npt.ArrayLike, seconds: npt.ArrayLike) -> tuple[Floats, int]:
    """What each round says of the log-ratio, (rounds,), NaN for a round without a pair; and how many pairs were clipped.

    Their mean is the estimate and their spread its error. They are pseudo-values: a round's say depends on what the
    other rounds tell of the noise and of the steps' costs.
    """
    return all_round_log_ratios([(baseline_seconds, seconds)])[0]


def all_round_log_ratios(pairs: Sequence[tuple[npt.ArrayLike, npt.ArrayLike]]) -> list[tuple[Floats, int]]:
    """`round_log_ratios` of each of several pairs, those of one shape computed together."""
    logs = [_pair_logs(*pair) for pair in pairs]
    says = [(np.full(pair.shape[1], np.nan), 0) for pair in logs]
    paired = [~np.isnan(pair[0]) for pair in logs]
    shapes = collections.defaultdict(list)
    for number, known in enumerate(paired):
        if known.any():
            shapes[known.any(axis=1).sum(), known.any(axis=0).sum()].append(number)
    for (rounds, steps), numbers in shapes.items():
        together = max(1, TOGETHER // int(rounds * steps))
        for few in (numbers[start : start + together] for start in range(0, len(numbers), together)):
            measured = np.stack([logs[n][:, paired[n].any(axis=1)][:, :, paired[n].any(axis=0)] for n in few])
            for number, pair, fitted in zip(few, measured, likelihood.fit_all(measured)):
                says[number][0][paired[number].any(axis=1)], outliers = _clipped(pair, fitted)
                says[number] = says[number][0], outliers
    return says


def _pair_logs(baseline_seconds: npt.ArrayLike, seconds: npt.ArrayLike) -> Floats:
    """Log-seconds of both cells, (2, rounds, steps), NaN where one is missing. Raises ValueError as `paired_ratio` says."""
    baseline, this = np.asarray(baseline_seconds, dtype=np.float64), np.asarray(seconds, dtype=np.float64)
    if baseline.shape != this.shape or this.ndim != 2:
        raise ValueError(f"expected two arrays (rounds, steps) of one shape, got {baseline.shape} and {this.shape}")
    for times in (baseline, this):
        if np.any((times <= 0) | np.isinf(times)):
            raise ValueError("expected seconds above 0, or NaN for a missing step")
    logs = np.log(np.stack([baseline, this]))
    logs[:, np.isnan(logs).any(axis=0)] = np.nan
    return np.asarray(logs)


def _clipped(logs: Floats, fitted: likelihood.Fit) -> tuple[Floats, int]:
    """The rounds' say, (rounds,), and the pairs that were clipped, from (2, rounds, steps) log-seconds and their fit."""
    residuals = logs - fitted.costs[:, None]
    cuts = np.array(CUTS)[:, None, None, None]
    parts = np.clip(residuals, -cuts, cuts)  # (cuts, 2, rounds, steps)
    missing = np.isnan(residuals)
    mean, total = (np.nanmean, np.nansum) if missing.any() else (np.mean, np.sum)  # the plain ones are far quicker
    middle = mean(parts, axis=2)
    known = np.sum(~missing[0], axis=0)
    off = total((parts - middle[:, :, None]) / known, axis=3) * logs.shape[1] / logs.shape[2]  # (cuts, 2, rounds)
    # a residual that is not clipped undoes what the fit's cost is off
    untouched = np.sum(np.abs(residuals) < cuts, axis=(1, 2, 3)) / np.sum(~missing)
    fit = (1 - untouched)[:, None] * (fitted.rounds - fitted.value)
    ratio = fitted.value + np.mean(middle[:, 0] - middle[:, 1], axis=1)[:, None]
    say = ratio + fit + off[:, 0] - off[:, 1]
    cut = _cut(say, off)
    if np.isfinite(CUTS[cut]) and _moves(residuals, say[cut]):
        cut = len(CUTS) - 1
    return say[cut], int(np.sum((np.abs(residuals) > CUTS[cut]).any(axis=0)))


def _cut(say: Floats, cells: Floats) -> int:
    """Which of CUTS is the widest that the lighter cell, or the ratio itself, does not suffer from.

    ``say``: of the ratio, (cuts, rounds); ``cells``: of each cell, (cuts, 2, rounds).
    """
    if say.shape[1] == 1:
        return 0
    ratio, cell = np.var(say, axis=1), np.var(cells, axis=2)
    lighter = cell[:, int(np.argmin(cell[-1]))]
    fitting = (lighter <= SUFFERS * lighter[0]) | (ratio <= WORTH * np.min(ratio))
    fitting[0] = True
    return int(np.flatnonzero(fitting)[-1])


def _moves(residuals: Floats, say: Floats) -> bool:
    """Whether the load changes the ratio itself, from unclipped ``residuals``, (2, rounds, steps), and clipped ``say``, (rounds,).

    Then rounds differ by more than the scatter of their steps and what clipped ones differ by. And where there are rounds
    enough to see it, both cells take longer in the same ones, and the ratio changes with how much longer they take; bursts
    that hit the one or the other do neither.
    """
    pairs = residuals[0] - residuals[1]
    known = ~np.isnan(pairs)
    rounds = np.nanmean(pairs, axis=1)
    apart = pairs - rounds[:, None]
    apart -= np.nanmean(apart, axis=0)
    count, freedom = len(rounds), int(known.sum()) - known.shape[0] - known.shape[1] + 1
    if count < 3 or freedom < 1:
        return False
    within = float(np.nansum(apart**2)) / freedom * float(np.mean(1 / known.sum(axis=1)))
    explained = within + float(np.var(say, ddof=1))
    if explained <= 0:
        return False
    apart_by_chance = fisher_tail(float(np.var(rounds, ddof=1)) / explained, count - 1, freedom)
    if apart_by_chance >= APART or count < drifting.FEWEST:
        return apart_by_chance < APART
    cells = np.nanmean(residuals, axis=2)
    alike, together = _correlated(cells[0], cells[1]), _correlated(rounds, cells.sum(axis=0))
    return 0 < alike < 2 * WITH_LOAD and abs(together) < WITH_LOAD


def _correlated(one: Floats, other: Floats) -> float:
    """The probability, two-sided, of such a correlation by chance; below 0 where it is negative. Of (rounds,) each, at least three."""
    products = np.cov(one, other)
    most = float(products[0, 0] * products[1, 1])
    squared = min(float(products[0, 1]) ** 2 / most, 1 - 1e-12) if most > 0 else 0.0
    freedom = len(one) - 2
    return math.copysign(fisher_tail(freedom * squared / (1 - squared), 1, freedom), products[0, 1])


def over_rounds(logs: Floats, confidence: float) -> Ratio:
    """The ratio from what each round says of its logarithm, (rounds,), NaN where nothing, by plain Student's t.

    For rounds in no order, or a rule that looks at their order itself, as the gate's does; others ask `estimate`.
    The interval is None for one round. Raises ValueError for none.
    """
    return _independent(logs[~np.isnan(logs)], 0, Prior()).ratio(confidence)


def estimate(logs: Floats, outliers: int = 0, prior: Prior = Prior()) -> Estimate:  # noqa: B008
    """As `over_rounds`, before an interval is made of it, with what is known of the variance, and of rounds that drift."""
    logs = logs[~np.isnan(logs)]
    plain = _independent(logs, outliers, prior)
    chance = drifting.chance(logs)
    if chance >= drifting.ALIKE:
        return plain
    variance, freedom = drifting.slow_variance(logs)
    drift = drifting.levels(logs) if chance < drifting.SURE else None
    drifting_one = dataclasses.replace(plain, variance=variance, freedom=freedom)
    return dataclasses.replace(max(plain, drifting_one, key=_width), drift=drift)


def _width(estimate: Estimate) -> float:
    return math.sqrt(estimate.variance) * student_quantile(estimate.freedom, 0.975)


def _independent(logs: Floats, outliers: int, prior: Prior) -> Estimate:
    """As if the order of the rounds, (rounds,), said nothing."""
    count = len(logs)
    if not count:
        raise ValueError("no round has a step that was measured in both")
    mean = float(np.mean(logs))
    if count == 1:
        return Estimate(mean, 0.0, 0.0, count, outliers)
    variance, freedom = prior.moderate(float(np.var(logs, ddof=1)), count - 1)
    return Estimate(mean, variance, freedom, count, outliers)
