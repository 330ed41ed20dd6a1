"""Other ways to estimate how many times as fast one cell is: to show what the one that is used gains, and nothing else.

Each takes both cells' seconds, (rounds, steps), and gives the log-ratio with half its 95 % interval, NaN where the way
has none of its own. `biweight` was used here before: within a round a one-step biweight mean of the steps' log-ratios (Beaton and
Tukey 1974, "The Fitting of Power Series, Meaning Polynomials, Illustrated on Band-Spectroscopic Data"), over rounds
Student's t.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from bench.host.stats.noise import Floats
from bench.host.stats.paired import Ratio, over_rounds, paired_ratio
from bench.host.stats.sequential import signed_rank_ratio

Estimate = tuple[float, float]


def used(baseline: Floats, seconds: Floats) -> Estimate:
    """As every table does."""
    return _of(paired_ratio(baseline, seconds))


def biweight(baseline: Floats, seconds: Floats) -> Estimate:
    """The mean over rounds of a robust mean over each round's steps, with Student's t."""
    return _of(over_rounds(_biweight(baseline, seconds), 0.95))


def signed_rank(baseline: Floats, seconds: Floats) -> Estimate:
    """The same rounds' Hodges-Lehmann estimate, with the interval of Wilcoxon's test: what the gate used."""
    return _of(signed_rank_ratio(_biweight(baseline, seconds), 0.95))


def paired_mean(baseline: Floats, seconds: Floats) -> Estimate:
    """The mean of all paired log-ratios, rounds as replicates."""
    return _of(over_rounds(np.log(baseline / seconds).mean(axis=1), 0.95))


def low_quantile(baseline: Floats, seconds: Floats) -> Estimate:
    """The mean over steps of the log-ratio of each step's 10 % quantile over rounds."""
    low, other = (np.log(np.quantile(times, 0.1, axis=0)) for times in (baseline, seconds))
    return float(np.mean(low - other)), math.nan


ESTIMATORS: dict[str, Callable[[Floats, Floats], Estimate]] = {
    "this one": used,
    "biweight over steps, mean over rounds": biweight,
    "the same, Hodges-Lehmann": signed_rank,
    "mean of all pairs": paired_mean,
    "10 % quantile over rounds": low_quantile,
}


def _of(ratio: Ratio) -> Estimate:
    value = math.log(ratio.value)
    if ratio.low is None or ratio.high is None:
        return value, math.nan
    return value, math.log(ratio.high / ratio.low) / 2


def _biweight(baseline: Floats, seconds: Floats) -> Floats:
    logs = np.log(baseline / seconds)
    middle = np.median(logs, axis=1, keepdims=True)
    off = logs - middle
    spread = max(float(np.median(np.median(np.abs(off), axis=1))), 1e-12)
    weights = np.clip(1 - (off / (9 * spread)) ** 2, 0, None) ** 2
    total = weights.sum(axis=1)
    shift = np.divide((weights * off).sum(axis=1), total, out=np.zeros_like(total), where=total > 0)
    return np.asarray(middle[:, 0] + shift)
