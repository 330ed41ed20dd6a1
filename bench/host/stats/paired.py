"""Paired statistics: how many times as fast one cell is as another, and how sure that is.

In one round every cell does step k at nearly the same moment, and step k is the same work in every cell. So the
logarithm of (baseline's seconds / this cell's seconds) is taken per round and step: what the machine does to both,
and how long the document is, cancel out (Bulej et al. 2020). Then, from the steps to the rounds to the ratio:

1. **Steps, robustly.** A round's log-ratio is a one-step biweight mean of its steps (Beaton and Tukey 1974; Mosteller
   and Tukey 1977): it starts from the median, and a step's weight falls with its distance from it, to 0 at 9 times the
   typical spread, which is the median over rounds of each round's median absolute deviation. Nothing is dropped
   unseen: `Ratio.outliers` counts the pairs that weighed nothing. Each round is judged around its own median.
2. **Rounds, by Student's t.** The rounds' log-ratios are averaged, with a t interval (Student 1908) of R - 1 degrees
   of freedom. Processes of the same program differ by several per cent (address layout, hash seed), and more steps
   don't average that out, so the process is what must be replicated (Kalibera, Bulej and Tůma 2005; Georges et al.
   2007; Mytkowicz et al. 2009; Kalibera and Jones 2013). It also makes correlation between steps harmless. One round
   has no interval at all.

What is estimated: the geometric mean over processes of the ratio at a typical step of the run. A cost of one cell
that falls on few steps only, like a collector's pause every tenth step, is an outlier here and so is not in the ratio.

Chosen by simulation (`tests/host/test_stats.py`): lognormal noise, drift, 5 and 10 % of steps half as long again,
autocorrelation, unequal variances, process offsets of 1 to 3 %; 3, 5 and 10 rounds; 5 to 20 steps. There the 95 %
interval covers the truth in 93 to 97 % of runs. Tried and left: the mean over steps, which is far wider under outliers;
a plain median, which is wider without them, and off where one cell has all the outliers; bootstraps over rounds, which
cover too little. A limit of all that know only the rounds: where one cell's processes fall into two classes, three
rounds may meet one class only, and a few rounds never see what befalls one process in twenty.

Sources: Student 1908, "The Probable Error of a Mean". Beaton and Tukey 1974, "The Fitting of Power Series, Meaning
Polynomials, Illustrated on Band-Spectroscopic Data". Mosteller and Tukey 1977, "Data Analysis and Regression". Fleming
and Wallace 1986, "How Not to Lie with Statistics: The Correct Way to Summarize Benchmark Results". Kalibera, Bulej and
Tůma 2005, "Benchmark Precision and Random Initial State". Georges, Buytaert and Eeckhout 2007, "Statistically Rigorous
Java Performance Evaluation". Mytkowicz, Diwan, Hauswirth and Sweeney 2009, "Producing Wrong Data Without Doing
Anything Obviously Wrong!". Kalibera and Jones 2013, "Rigorous Benchmarking in Reasonable Time". Bulej et al. 2020,
"Duet Benchmarking: Improving Measurement Accuracy in the Cloud".
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

CUTOFF = 9.0  # spreads from the median at which a step weighs nothing: 6 standard deviations of normal noise
SMALLEST_SPREAD = 1e-12  # of log-ratios: equal measurements have none, and must not divide by it
SAME = 1.02  # an interval within a factor of this around 1 says "equal", not "too noisy"


@dataclasses.dataclass(frozen=True)
class Ratio:
    """Time of the baseline / time of this one, above 1 is faster; the interval is None where rounds are too few."""

    value: float
    low: float | None
    high: float | None
    rounds: int
    outliers: int = 0  # pairs of steps that weighed nothing

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


def paired_ratio(baseline_seconds: npt.ArrayLike, seconds: npt.ArrayLike, confidence: float = 0.95) -> Ratio:
    """The ratio of two cells, both (rounds, steps) in seconds, NaN where missing.

    Raises ValueError for unequal shapes, for times that are not above 0, and where no step is in both.
    """
    logs, outliers = round_log_ratios(baseline_seconds, seconds)
    return _over_rounds(logs, outliers, confidence)


def geometric_mean(pairs: Sequence[tuple[npt.ArrayLike, npt.ArrayLike]], confidence: float = 0.95) -> Ratio:
    """The geometric mean of several (baseline, this one) pairs' ratios, rounds and shapes as in `paired_ratio`.

    The log-ratios are averaged over the pairs within each round (Fleming and Wallace 1986 say why geometrically), so
    that rounds stay the unit of replication and what a round's pairs share is not counted as independent. A round
    that lacks a pair is left out. Raises ValueError as `paired_ratio` does, for no pairs, and for unequal rounds.
    """
    found = [round_log_ratios(*pair) for pair in pairs]
    if len({len(logs) for logs, _ in found}) != 1:
        raise ValueError(f"expected pairs of equally many rounds, got {[len(logs) for logs, _ in found]}")
    logs = np.mean([logs for logs, _ in found], axis=0)
    return _over_rounds(logs, sum(outliers for _, outliers in found), confidence)


def typical(seconds: npt.ArrayLike) -> float:
    """Seconds per step as tables show it: the median over all steps of all rounds. Ratios are not made from it."""
    return float(np.nanmedian(np.asarray(seconds, dtype=np.float64)))


def round_log_ratios(baseline_seconds: npt.ArrayLike, seconds: npt.ArrayLike) -> tuple[Floats, int]:
    """Each round's log-ratio, (rounds,), NaN for a round without a pair; and how many pairs weighed nothing."""
    baseline, this = np.asarray(baseline_seconds, dtype=np.float64), np.asarray(seconds, dtype=np.float64)
    if baseline.shape != this.shape or this.ndim != 2:
        raise ValueError(f"expected two arrays (rounds, steps) of one shape, got {baseline.shape} and {this.shape}")
    for times in (baseline, this):
        if np.any((times <= 0) | np.isinf(times)):
            raise ValueError("expected seconds above 0, or NaN for a missing step")
    steps = np.log(baseline) - np.log(this)
    paired = ~np.isnan(steps)
    some = paired.any(axis=1)
    steps, paired = steps[some], paired[some]
    rounds = np.full(len(this), np.nan)
    if not some.any():
        return rounds, 0
    middle = np.median if paired.all() else np.nanmedian  # the same numbers, much sooner
    median = middle(steps, axis=1, keepdims=True)
    distance = np.where(paired, steps - median, 0.0)
    # one spread for all rounds: a round's own is unreliable with few steps, and explodes when outliers are half of them
    spread = max(float(np.median(middle(np.abs(steps - median), axis=1))), SMALLEST_SPREAD)
    weight = np.where(paired, np.clip(1 - (distance / (CUTOFF * spread)) ** 2, 0, None) ** 2, 0.0)
    total = weight.sum(axis=1)
    # the median itself where it lies in a gap so wide that no step is near it
    shift = np.divide((weight * distance).sum(axis=1), total, out=np.zeros_like(total), where=total > 0)
    rounds[some] = median[:, 0] + shift
    return rounds, int(np.sum(paired & (weight == 0)))


def _over_rounds(logs: Floats, outliers: int, confidence: float) -> Ratio:
    logs = logs[~np.isnan(logs)]
    count = len(logs)
    if not count:
        raise ValueError("no round has a step that was measured in both")
    mean = float(np.mean(logs))
    if count == 1:
        return Ratio(math.exp(mean), None, None, count, outliers)
    from scipy.special import stdtrit  # Student's t quantile; here: its import takes longer than most commands

    error = float(np.std(logs, ddof=1)) / math.sqrt(count)
    half = float(stdtrit(count - 1, (1 + confidence) / 2)) * error
    return Ratio(math.exp(mean), math.exp(mean - half), math.exp(mean + half), count, outliers)
