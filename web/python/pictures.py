"""Numbers for pictures: what a model computes along a text, and embeddings on a map."""

from __future__ import annotations

import math
from typing import Any, Dict, List, Tuple

from bench import Model

Rows = List[List[float]]
ITERATIONS = 500


def inside(model: Model, text: str) -> Dict[str, Any]:
    """``Model.look`` as plain values, the share of closed relus, and the probability of each next character."""
    found = model.look(text)
    names = [*model.trainer.vocabulary.characters, ""]
    layers = [
        {
            "neurons": neurons,
            "closed": sum(x <= 0 for row in neurons for x in row) / sum(map(len, neurons)),
        }
        for neurons in found.neurons
    ]
    best = [sorted(zip(row, names), reverse=True)[:5] for row in found.probabilities]
    return {
        "tokens": found.tokens,
        "attention": found.attention,
        "layers": layers,
        "next": [[[name, p] for p, name in row] for row in best],
    }


def principal_components(rows: Rows) -> Tuple[Rows, List[float]]:
    """Each row's place along the two principal components (Pearson 1901), and what share of the variance each holds.

    By power iteration on the covariance, from a fixed start, the second after taking the first away.
    """
    n, width = len(rows), len(rows[0])
    means = [math.fsum(column) / n for column in zip(*rows)]
    centred = [[x - m for x, m in zip(row, means)] for row in rows]
    covariance = [[math.fsum(row[i] * row[j] for row in centred) / n for j in range(width)] for i in range(width)]
    total = math.fsum(covariance[i][i] for i in range(width)) or 1.0
    axes, shares = [], []  # type: Rows, List[float]
    for _ in range(2):
        value, axis = _largest(covariance)
        axes.append(axis)
        shares.append(value / total)
        covariance = [[c - value * a * b for c, b in zip(row, axis)] for row, a in zip(covariance, axis)]
    return [[math.fsum(x * a for x, a in zip(row, axis)) for axis in axes] for row in centred], shares


def _largest(matrix: Rows) -> Tuple[float, List[float]]:
    """The largest eigenvalue of a symmetric matrix, and its eigenvector with a positive largest entry."""
    axis = [1.0 / (1 + i) for i in range(len(matrix))]
    value = 0.0
    for _ in range(ITERATIONS):
        image = [math.fsum(a * b for a, b in zip(row, axis)) for row in matrix]
        value = math.sqrt(math.fsum(x * x for x in image))
        if value < 1e-300:
            return 0.0, [0.0] * len(matrix)
        axis = [x / value for x in image]
    top = max(axis, key=abs)
    return value, [x if top > 0 else -x for x in axis]
