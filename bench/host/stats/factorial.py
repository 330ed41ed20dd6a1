"""Factorial experiments with two-level factors of which not all combinations are possible: which to try, and what they say.

A combination is a row of zeros and ones, a column a factor. The model of its response y (here a log-ratio) is

    y = β₀ + Σ βᵢ xᵢ + Σ βᵢⱼ xᵢ xⱼ   over the factors and the pairs of factors that go together,

fitted by least squares. An **effect** is what a factor changes on average over all possible combinations of the others, and an
**interaction** what two together change beyond the sum of both; either is a linear function of the coefficients, with a
Student's t interval from the residuals: these have both the noise and what three factors do together.

The combinations are chosen D-optimally, for the largest determinant of X'X, by Fedorov's exchange.

Sources: Box, Hunter and Hunter 2005, "Statistics for Experimenters", chapters 5 and 6. Fedorov 1972, "Theory of Optimal
Experiments"; Atkinson, Donev and Tobias 2007, "Optimum Experimental Designs, with SAS", chapter 12.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from bench.host.stats.special import student_quantile

Rows = npt.NDArray[np.float64]  # (combinations, factors) of zeros and ones
Pairs = Sequence[tuple[int, int]]
PASSES = 20  # over the whole design, at most
RIDGE = 1e-6  # so that a start that does not tell all coefficients apart has a determinant too


def model_matrix(rows: Rows, pairs: Pairs) -> Rows:
    """(combinations, 1 + factors + pairs): a constant, the factors, their products."""
    products = [rows[:, i] * rows[:, j] for i, j in pairs]
    return np.column_stack([np.ones(len(rows)), rows, *products])


def design(candidates: Rows, pairs: Pairs, size: int, fixed: Iterable[int] = (), seed: int = 0) -> list[int]:
    """Which ``size`` of the candidates to try, ``fixed`` ones among them: their indices, in order.

    Raises ValueError where so few cannot tell the coefficients apart, or there are not so many.
    """
    matrix = model_matrix(candidates, pairs)
    kept = sorted(set(fixed))
    if not max(matrix.shape[1], len(kept)) < size <= len(candidates):
        raise ValueError(
            f"{size} of {len(candidates)} combinations for {matrix.shape[1]} coefficients: take more of them than coefficients"
        )
    free = np.setdiff1d(np.arange(len(candidates)), kept)
    chosen = [*kept, *np.random.default_rng(seed).choice(free, size - len(kept), replace=False).tolist()]
    for _ in range(PASSES):
        exchanged = [_exchange(matrix, chosen, place) for place in range(len(kept), size)]
        if not any(exchanged):
            break
    if np.linalg.matrix_rank(matrix[chosen]) < matrix.shape[1]:
        raise ValueError(f"{size} combinations do not tell {matrix.shape[1]} coefficients apart: take more")
    return sorted(int(one) for one in chosen)


def _exchange(matrix: Rows, chosen: list[int], place: int) -> bool:
    """Put the candidate there that makes the determinant largest; whether that is another one."""
    rows = matrix[chosen]
    inverse = np.linalg.inv(rows.T @ rows + RIDGE * np.eye(matrix.shape[1]))
    old = matrix[chosen[place]]
    spread = matrix @ inverse
    # of the determinant after the exchange over that before
    gain = (1 + np.sum(spread * matrix, axis=1)) * (1 - old @ inverse @ old) + (spread @ old) ** 2
    gain[chosen] = 0.0
    best = int(np.argmax(gain))
    if gain[best] <= 1 + 1e-9:
        return False
    chosen[place] = best
    return True


@dataclasses.dataclass(frozen=True)
class Effect:
    """An effect on the response, with the half width of its interval; 0 of what was not estimated but counted."""

    value: float
    half: float = 0.0

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out no effect."""
        return abs(self.value) > self.half


@dataclasses.dataclass(frozen=True)
class Fit:
    """The model fitted to responses. ``explained``: the share of their variance; ``freedom``: of the residuals."""

    coefficients: npt.NDArray[np.float64]
    covariance: npt.NDArray[np.float64]
    freedom: int
    explained: float
    scatter: float  # standard deviation of a response around the model

    def of(self, contrast: npt.NDArray[np.float64], confidence: float = 0.95) -> Effect:
        """A linear function of the coefficients."""
        error = math.sqrt(max(0.0, float(contrast @ self.covariance @ contrast)))
        return Effect(float(contrast @ self.coefficients), student_quantile(self.freedom, (1 + confidence) / 2) * error)


def fit(rows: Rows, pairs: Pairs, responses: npt.ArrayLike) -> Fit:
    """Least squares. Raises ValueError where there are not more responses than coefficients they tell apart."""
    matrix, y = model_matrix(rows, pairs), np.asarray(responses, dtype=np.float64)
    freedom = len(y) - matrix.shape[1]
    if freedom < 1 or np.linalg.matrix_rank(matrix) < matrix.shape[1]:
        raise ValueError(f"{len(y)} combinations do not tell {matrix.shape[1]} coefficients apart")
    coefficients = np.asarray(np.linalg.lstsq(matrix, y, rcond=None)[0], dtype=np.float64)
    residuals = y - matrix @ coefficients
    variance = float(residuals @ residuals) / freedom
    total = float(np.sum((y - y.mean()) ** 2))
    return Fit(
        coefficients,
        variance * np.linalg.inv(matrix.T @ matrix),
        freedom,
        1 - variance * freedom / total if total else 1.0,
        math.sqrt(variance),
    )


def contexts(candidates: Rows, factors: Sequence[int]) -> list[list[int]]:
    """Groups of candidates that differ in these factors only and have all their settings.

    Each group: the candidate's index with none of them on, the first, the second and so on counting in binary.
    """
    known = {tuple(row): number for number, row in enumerate(candidates.astype(int).tolist())}
    groups = []
    for row in known:
        if any(row[factor] for factor in factors):
            continue
        group = []
        for setting in range(2 ** len(factors)):
            other = list(row)
            for bit, factor in enumerate(factors):
                other[factor] = setting >> bit & 1
            group.append(known.get(tuple(other)))
        if None not in group:
            groups.append([one for one in group if one is not None])
    return groups


def signs(factors: int) -> npt.NDArray[np.float64]:
    """The signs by which a group's responses add up to an effect of one factor, or an interaction of two."""
    settings = np.arange(2**factors)
    return np.array([(-1.0) ** (factors - int(setting).bit_count()) for setting in settings])


def contrast(candidates: Rows, pairs: Pairs, factors: Sequence[int]) -> npt.NDArray[np.float64]:
    """Of the coefficients: the factor's effect, or two factors' interaction, averaged over all contexts."""
    matrix, groups = model_matrix(candidates, pairs), contexts(candidates, factors)
    return np.asarray(np.mean([signs(len(factors)) @ matrix[group] for group in groups], axis=0))


def exact(candidates: Rows, responses: npt.ArrayLike, factors: Sequence[int]) -> Effect | None:
    """The same of responses that are known of every candidate: no model, no interval. None where no context is among them."""
    y = np.asarray(responses, dtype=np.float64)
    groups = contexts(candidates, factors)
    if not groups:
        return None
    return Effect(float(np.mean([signs(len(factors)) @ y[group] for group in groups])))
