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
    return fit_all(logs[None])[0]


def fit_all(logs: Floats) -> list[Fit]:
    """`fit` of each of several pairs, (pairs, 2, rounds, steps): one by one they cost ten times as much."""
    costs = (np.nanquantile if np.isnan(logs).any() else np.quantile)(logs, START, axis=2)
    spread = np.full(len(logs), SPREAD)
    for passes_left in reversed(range(PASSES + 1)):
        guess = costs[:, 0] - costs[:, 1]
        residuals = logs - costs[:, :, None]
        each = curves(residuals, log_density(residuals))
        cells = each.sum(axis=2)
        ratios, fitted = _ratios(_likelihood(cells)[:, None], guess, spread)
        ratios = ratios[:, 0]
        if passes_left:
            spread = np.maximum(fitted, SMALLEST_SPREAD)
            costs = costs + _shifts(cells, ratios - guess)
    # the density and the prior are of all rounds: one round hardly changes them
    without, _ = _ratios(_likelihood(cells[:, :, None] - each), guess, spread)
    count, values = logs.shape[2], ratios.mean(axis=-1, keepdims=True)
    rounds = values + (count - 1) * (values - without.mean(axis=-1)) if count > 1 else values
    middle = costs.sum(axis=1) / 2
    return [
        Fit(np.stack([pair + ratio / 2, pair - ratio / 2]), said) for pair, ratio, said in zip(middle, ratios, rounds)
    ]


def _likelihood(cells: Floats) -> Floats:
    """Of a step's log-ratio, (pairs, ..., steps, RATIOS), from both cells' curves, (pairs, 2, ..., steps, SHIFTS)."""
    both = np.exp(cells - cells.max(axis=-1, keepdims=True))
    size = 256  # at least twice the shifts
    product = np.fft.rfft(both[:, 0], size) * np.conj(np.fft.rfft(both[:, 1], size))
    wrapped = np.fft.irfft(product, size)
    relative = np.concatenate([wrapped[..., -2 * REACH :], wrapped[..., : 2 * REACH + 1]], axis=-1)
    return np.asarray(np.maximum(relative / relative.max(axis=-1, keepdims=True), 1e-12))


def _ratios(likelihood: Floats, guess: Floats, spread: Floats) -> tuple[Floats, Floats]:
    """Each step's log-ratio, (pairs, cases, steps), and the spread of the steps around the overall one, (pairs,).

    From (pairs, cases, steps, RATIOS): the cases are all rounds, or all but one. ``guess``: (pairs, steps).
    """
    width = spread[:, None]
    around = np.exp(-0.5 * (RATIOS / width) ** 2).sum(axis=-1)[:, None, None]
    # the prior of a ratio around another one depends on their distance alone: it is a filter
    near = np.exp(-0.5 * (np.arange(-len(RATIOS) + 1, len(RATIOS)) * STEP / width) ** 2)
    filtered = (1 - WIDE) / around[..., None] * _convolved(likelihood, near[:, None, None])
    filtered += WIDE / len(RATIOS) * likelihood.sum(axis=-1, keepdims=True)
    centre = np.median(guess, axis=-1)[:, None]
    steps = _moved(np.log(filtered), (centre - guess)[:, None])
    total = steps.sum(axis=-2)
    weights = np.exp(total - total.max(axis=-1, keepdims=True))
    overall = centre + (weights * RATIOS).sum(axis=-1) / weights.sum(axis=-1)
    at = (guess[..., None] + RATIOS)[:, None]
    squares = (at - overall[..., None, None]) ** 2
    normal = np.exp(squares * (-0.5 / spread**2)[:, None, None, None])
    normal *= likelihood * ((1 - WIDE) / around)[..., None]
    weights = normal + likelihood * (WIDE / len(RATIOS))
    total = weights.sum(axis=-1)
    squared = ((normal * squares).sum(axis=-1) / total).sum(axis=-1)
    squared /= np.maximum((normal.sum(axis=-1) / total).sum(axis=-1), 1e-9)
    return (weights * at).sum(axis=-1) / total, np.sqrt(np.mean(squared, axis=-1))


def _convolved(functions: Floats, kernel: Floats) -> Floats:
    """Functions on RATIOS, (..., RATIOS), filtered by a kernel of the distances from the farthest on the left to that on the right."""
    size = 512  # at least the functions' and the kernel's points
    whole = np.fft.irfft(np.fft.rfft(functions, size) * np.fft.rfft(kernel, size), size)
    return np.asarray(np.maximum(whole[..., len(RATIOS) - 1 : 2 * len(RATIOS) - 1], 0.0))


def _moved(functions: Floats, by: Floats) -> Floats:
    """Functions on a grid, (..., steps, points), read as far off as ``by`` says, which fits (..., steps)."""
    last = functions.shape[-1] - 1
    places = np.clip(np.arange(last + 1) + by[..., None] / STEP, 0, last)
    below = np.minimum(places.astype(int), last - 1)
    below, share = np.broadcast_to(below, functions.shape), places - below
    return np.asarray(
        (1 - share) * np.take_along_axis(functions, below, -1) + share * np.take_along_axis(functions, below + 1, -1)
    )


def _shifts(cells: Floats, ratios: Floats) -> Floats:
    """By how much each cost is off, (pairs, 2, steps), where their ratio is off by ``ratios``, (pairs, steps).

    From curves (pairs, 2, steps, SHIFTS).
    """
    both = _moved(cells, np.stack([ratios / 2, -ratios / 2], axis=1)).sum(axis=1)
    weights = np.exp(both - both.max(axis=-1, keepdims=True))
    off = (weights * SHIFTS).sum(axis=-1) / weights.sum(axis=-1)
    return np.stack([off + ratios / 2, off - ratios / 2], axis=1)
