"""Counting: how often did each character follow each other one?

There is nothing to train: the counts are the model. One is added to each (Laplace's rule of succession), so that what was
never seen is improbable and not impossible.
"""

from __future__ import annotations

import math
from typing import Any, Dict, List, Tuple

from bench.workload.ladder.ladder_model import LadderModel


class Bigram(LadderModel):
    """P(next | last) = (times that next followed last + 1) / (times that last was followed + tokens)."""

    def shapes(self) -> Dict[str, Tuple[int, int]]:
        """No weights: no random number is drawn for any."""
        return {}

    def build(self, engine: Any, weights: Dict[str, List[List[float]]], optimizer: str) -> None:
        """A count for each pair, and no engine."""
        n = len(self.vocabulary)
        self.counts = [[1.0] * n for _ in range(n)]

    def train(self, tokens: List[int], learning_rate: float) -> float:
        """The loss by the counts so far; then this document's pairs are counted."""
        pairs = list(zip(tokens, tokens[1:]))[: self.config.block_size]
        loss = -sum(math.log(self.counts[a][b] / sum(self.counts[a])) for a, b in pairs) / len(pairs)
        for a, b in pairs:
            self.counts[a][b] += 1
        return loss

    def probabilities(self, tokens: List[int], temperature: float) -> List[float]:
        """By the last token alone."""
        counts = self.counts[tokens[-1]]
        powers = [(count / max(counts)) ** (1 / temperature) for count in counts]  # at most 1: cold as it may be
        return [power / sum(powers) for power in powers]

    def weights(self) -> Dict[str, List[List[float]]]:
        """The counts, one added to each."""
        return {"counts": [row[:] for row in self.counts]}
