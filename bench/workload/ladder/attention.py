"""One attention head: every position looks back at all positions so far, and chooses by itself what matters."""

from __future__ import annotations

from typing import Any, Dict, List, Tuple

from bench.workload.ladder.ladder_model import EngineLadderModel


class Attention(EngineLadderModel):
    """x = E[token] + P[position], y = attention(Q·x, K·x, V·x), logits = U · (x + y)."""

    heads = 1

    def shapes(self) -> Dict[str, Tuple[int, int]]:
        """Two embeddings, query, key and value, and U."""
        n, vocab_size = self.config.n_embd, len(self.vocabulary)
        return {
            "E": (vocab_size, n),
            "P": (self.config.block_size, n),
            **dict.fromkeys(("Q", "K", "V"), (n, n)),
            "U": (vocab_size, n),
        }

    def forward(self, tokens: List[int], positions: List[int], caches: List[Tuple[List[Any], List[Any]]]) -> Any:
        """Logits at some positions; the caches hold the keys and values of those before, layer by layer."""
        engine, w = self.engine, self.matrices
        x = engine.add(
            engine.embedding(w["E"], self.at([tokens[p] for p in positions])),
            engine.embedding(w["P"], self.at(positions)),
        )
        keys, values = caches[0]
        keys.append(engine.linear(x, w["K"]))
        values.append(engine.linear(x, w["V"]))
        y = engine.attention(engine.linear(x, w["Q"]), keys, values, self.heads)
        return engine.linear(engine.add(x, y), w["U"])

    def caches(self) -> List[Tuple[List[Any], List[Any]]]:
        """Empty keys and values for each layer."""
        return [([], [])]

    def logits(self, tokens: List[int]) -> List[Any]:
        """For each position, or on a batched engine for all."""
        caches, positions = self.caches(), list(range(len(tokens)))
        if self.engine.batched:
            return [self.forward(tokens, positions, caches)]
        return [self.forward(tokens, [position], caches) for position in positions]

    def last_logits(self, tokens: List[int]) -> Any:
        """After the last token: each position on its own, so that its logits are one position's on every engine."""
        caches, logits = self.caches(), None
        for position in range(len(tokens)):
            logits = self.forward(tokens, [position], caches)
        return logits
