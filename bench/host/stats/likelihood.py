"""What each step costs in two cells, by the likelihood of the noise that the run shows (`noise`).

1. **A step's ratio.** Each cell's times of a step give a likelihood of its cost. That of the ratio of two costs follows
   by summing over the cost itself, which is of no interest (an integrated likelihood: Berger, Liseo and Wolpert 1999).
2. **Steps together.** The ratio differs little from step to step, and a step that met bursts in every round must not
   speak alone. So a step's ratio has a prior: normal around the ratio over all, with a spread that the run itself tells,
   and one time in fifty anything (empirical Bayes: Morris 1983). With many rounds each step speaks for itself.
3. **What a round says.** Leaving a round out and looking at what changes gives its pseudo-value; their mean is the
   estimate and their spread its error (the jackknife: Tukey 1958; Miller 1974). Rounds are fresh processes, so
   what the steps of a process share is in their spread.

Sources: Tukey 1958, "Bias and Confidence in Not-quite Large Samples". Miller 1974, "The Jackknife: a Review". Morris
1983, "Parametric Empirical Bayes Inference". Berger, Liseo and Wolpert 1999, "Integrated Likelihood Methods for
Eliminating Nuisance Parameters".
"""

from __future__ import annotations

import dataclasses

import numpy as np

from bench.host.stats.noise import REACH, SHIFTS, STEP, Floats, curves, log_density

RATIOS = np.arange(-2 * REACH, 2 * REACH + 1) * STEP  # of a step's log-ratio, around its first guess
START = 0.1  # quantile over rounds that is the first guess of a step's cost
WIDE = 0.02  # share of steps whose ratio may be anything
SPREAD, SMALLEST_SPREAD = 0.05, 0.005  # of a step's ratio around the overall one: the first guess, and the least
PASSES = 3  # of cost and density in turn; more change nothing


@dataclasses.dataclass(frozen=True)
class Fit:
    """``costs``: (2, steps) log-seconds of both cells; ``rounds``: (rounds,) pseudo-values of the log-ratio."""

    costs: Floats
    rounds: Floats

    @property
    def value(self) -> float:
        """The log-ratio: a mean over the steps."""
        return float(np.mean(self.costs[0] - self.costs[1]))


def fit(logs: Floats) -> Fit:
    """The costs of two cells from (2, rounds, steps) log-seconds, NaN where missing; no step or round is all NaN."""
    costs, spread = np.nanquantile(logs, START, axis=1), SPREAD
    for passes_left in reversed(range(PASSES + 1)):
        guess = costs[0] - costs[1]
        residuals = logs - costs[:, None]
        each = curves(residuals, log_density(residuals))
        cells = each.sum(axis=1)
        ratios, fitted = _ratios(_likelihood(cells), guess, spread)
        if passes_left:
            spread = max(fitted, SMALLEST_SPREAD)
            costs = costs + _shifts(cells, ratios - guess)
    # the density and the prior are of all rounds: one round hardly changes them
    without, _ = _ratios(_likelihood(cells[:, None] - each), guess, spread)
    count, value = logs.shape[1], float(np.mean(ratios))
    rounds = value + (count - 1) * (value - without.mean(axis=-1)) if count > 1 else np.array([value])
    middle = costs.sum(axis=0) / 2
    return Fit(np.stack([middle + ratios / 2, middle - ratios / 2]), rounds)


def _likelihood(cells: Floats) -> Floats:
    """Of a step's log-ratio, (..., steps, RATIOS), from both cells' curves, (2, ..., steps, SHIFTS)."""
    of_cell, of_baseline = np.exp(cells - cells.max(axis=-1, keepdims=True))
    size = 256  # at least twice the shifts
    product = np.fft.rfft(of_cell, size) * np.conj(np.fft.rfft(of_baseline, size))
    wrapped = np.fft.irfft(product, size)
    relative = np.concatenate([wrapped[..., -2 * REACH :], wrapped[..., : 2 * REACH + 1]], axis=-1)
    return np.asarray(np.maximum(relative / relative.max(axis=-1, keepdims=True), 1e-12))


def _ratios(likelihood: Floats, guess: Floats, spread: float) -> tuple[Floats, float]:
    """Each step's log-ratio, (..., steps), and the spread of the steps around the overall one."""
    around = np.exp(-0.5 * (RATIOS / spread) ** 2).sum()
    near = (1 - WIDE) * np.exp(-0.5 * ((RATIOS[:, None] - RATIOS) / spread) ** 2) / around
    centre = float(np.median(guess))
    steps = _moved(np.log(likelihood @ (near + WIDE / len(RATIOS))), centre - guess)
    total = steps.sum(axis=-2)
    weights = np.exp(total - total.max(axis=-1, keepdims=True))
    overall = centre + (weights * RATIOS).sum(axis=-1) / weights.sum(axis=-1)
    at = guess[:, None] + RATIOS
    distance = at - overall[..., None, None]
    normal = likelihood * (1 - WIDE) * np.exp(-0.5 * (distance / spread) ** 2) / around
    weights = normal + likelihood * WIDE / len(RATIOS)
    total = weights.sum(axis=-1, keepdims=True)
    normal = normal / total
    squared = (normal * distance**2).sum(axis=(-1, -2)) / np.maximum(normal.sum(axis=(-1, -2)), 1e-9)
    return (weights * at).sum(axis=-1) / total[..., 0], float(np.sqrt(np.mean(squared)))


def _moved(functions: Floats, by: Floats) -> Floats:
    """Functions on a grid, (..., steps, points), read as far off as ``by`` says, (steps,) or (..., steps)."""
    last = functions.shape[-1] - 1
    places = np.clip(np.arange(last + 1) + by[..., None] / STEP, 0, last)
    below = np.minimum(places.astype(int), last - 1)
    below, share = np.broadcast_to(below, functions.shape), places - below
    return np.asarray(
        (1 - share) * np.take_along_axis(functions, below, -1) + share * np.take_along_axis(functions, below + 1, -1)
    )


def _shifts(cells: Floats, ratios: Floats) -> Floats:
    """By how much each cost is off, (2, steps), where their ratio is off by ``ratios``, from curves (2, steps, SHIFTS)."""
    both = _moved(cells, np.stack([ratios / 2, -ratios / 2])).sum(axis=0)
    weights = np.exp(both - both.max(axis=-1, keepdims=True))
    off = (weights * SHIFTS).sum(axis=-1) / weights.sum(axis=-1)
    return np.stack([off + ratios / 2, off - ratios / 2])
