"""The perceptron of `mlp_manual`, with the gradients left to an engine: only the way forward is written down."""

from __future__ import annotations

from typing import Any, Dict, List, Tuple

from bench.workload.ladder.ladder_model import EngineLadderModel
from bench.workload.ladder.mlp_manual import CONTEXT, context, mlp_shapes


class MLP(EngineLadderModel):
    """h = relu(Σ_j W_j · E[t_j]), logits = U · h."""

    def shapes(self) -> Dict[str, Tuple[int, int]]:
        """As `mlp_manual` has them, so that both begin with the same numbers."""
        return mlp_shapes(len(self.vocabulary), self.config.n_embd)

    def _hidden(self, tokens: List[int], positions: List[int]) -> Any:
        engine, w = self.engine, self.matrices
        near = [context(tokens, position, self.vocabulary.bos) for position in positions]
        x = None
        for j in range(CONTEXT):
            share = engine.linear(engine.embedding(w["E"], self.at([tokens_[j] for tokens_ in near])), w[f"W{j}"])
            x = share if x is None else engine.add(x, share)
        return engine.linear(engine.relu(x), w["U"])

    def logits(self, tokens: List[int]) -> List[Any]:
        """For each position, or on a batched engine for all."""
        positions = list(range(len(tokens)))
        if self.engine.batched:
            return [self._hidden(tokens, positions)]
        return [self._hidden(tokens, [position]) for position in positions]

    def last_logits(self, tokens: List[int]) -> Any:
        """After the last token."""
        return self._hidden(tokens, [len(tokens) - 1])
