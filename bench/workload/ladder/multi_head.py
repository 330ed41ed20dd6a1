"""Several heads, several layers: heads look for different things, layers look at what the layers before have found.

Residuals let a layer add to what is there in place of replacing it, and rmsnorm keeps the numbers of one size, so that
layers can be stacked. All is as in bench/workload/gpt.py, which has a perceptron behind each attention beside this.
"""

from __future__ import annotations

from typing import Any, Dict, List, Tuple

from bench.workload.ladder.attention import Attention


class MultiHead(Attention):
    """n_head heads in each of n_layer layers: x ← x + O · attention(Q·x̂, K·x̂, V·x̂) with x̂ = rmsnorm(x)."""

    def shapes(self) -> Dict[str, Tuple[int, int]]:
        """Query, key, value and output for each layer."""
        n, vocab_size = self.config.n_embd, len(self.vocabulary)
        return {
            "E": (vocab_size, n),
            "P": (self.config.block_size, n),
            **{f"{name}{layer}": (n, n) for layer in range(self.config.n_layer) for name in "QKVO"},
            "U": (vocab_size, n),
        }

    def caches(self) -> List[Tuple[List[Any], List[Any]]]:
        """Empty keys and values for each layer."""
        return [([], []) for _ in range(self.config.n_layer)]

    def forward(self, tokens: List[int], positions: List[int], caches: List[Tuple[List[Any], List[Any]]]) -> Any:
        """Logits at some positions."""
        engine, w = self.engine, self.matrices
        x = engine.add(
            engine.embedding(w["E"], self.at([tokens[p] for p in positions])),
            engine.embedding(w["P"], self.at(positions)),
        )
        x = engine.rmsnorm(x)
        for layer, (keys, values) in enumerate(caches):
            normed = engine.rmsnorm(x)
            keys.append(engine.linear(normed, w[f"K{layer}"]))
            values.append(engine.linear(normed, w[f"V{layer}"]))
            y = engine.attention(engine.linear(normed, w[f"Q{layer}"]), keys, values, self.config.n_head)
            x = engine.add(engine.linear(y, w[f"O{layer}"]), x)
        return engine.linear(x, w["U"])
