"""The arithmetic that a training step needs."""

from __future__ import annotations

import dataclasses

from bench.workload.config import Config

ADAM_FLOPS = 13  # per weight: 3 for the first moment, 4 for the second, 6 for the update; powers count as one


@dataclasses.dataclass(frozen=True)
class Arithmetic:
    """``step_flops``: of each step of the run; ``limit``: flops per second that one core reached in a matrix product."""

    step_flops: list[float]
    limit: float


def step_flops(config: Config, positions: int, vocabulary: int) -> float:
    """Floating-point operations that a step needs, whoever does them.

    Twice the multiply-adds of all matrix products and of attention's two sums, times three (the backward pass has two
    products for each forward one), and Adam's. Norms, exponentials and residuals, some per cent, are left out.
    """
    n = config.n_embd
    products = positions * (12 * config.n_layer * n * n + vocabulary * n)
    attention = config.n_layer * n * positions * (positions + 1)  # scores and mixes, over 1 to positions entries
    weights = (2 * vocabulary + config.block_size) * n + 12 * config.n_layer * n * n
    return 3 * 2 * (products + attention) + ADAM_FLOPS * weights
