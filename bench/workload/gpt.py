"""The one fixed GPT: microgpt.py's model, written against an engine's ops.

The GPT never looks inside an activation: it passes what one op gave to the next. That is why the same
code runs position by position on scalar nodes and over whole sequences on a batched engine.
"""

from __future__ import annotations

from typing import Any, Dict, List, Sequence, Tuple, Union

from bench.workload.config import Config, WorkloadError
from bench.workload.engine import Engine, Vector
from bench.workload.random_streams import Random

Index = Union[int, Sequence[int]]  # one position's, or for a batched engine every position's
IN_A_LAYER = ("wq", "wk", "wv", "wo", "fc1", "fc2")
LARGEST_MODEL = 10_000_000  # parameters: a scalar engine's take gigabytes then
Cache = List[List[Vector]]  # per layer, what each call so far has appended


def shapes(config: Config, vocab_size: int) -> Dict[str, Tuple[int, int]]:
    """(n_out, n_in) of every matrix by name, in the order in which they are drawn; no ``lm_head`` where it is tied.

    Raises WorkloadError for a model that is too large.
    """
    count_parameters(config, vocab_size)
    n = config.n_embd
    shapes = {"wte": (vocab_size, n), "wpe": (config.block_size, n)}
    if not config.tied:
        shapes["lm_head"] = (vocab_size, n)
    for layer in range(config.n_layer):
        for name in ("wq", "wk", "wv", "wo"):
            shapes[f"layer{layer}.{name}"] = (n, n)
        shapes[f"layer{layer}.fc1"] = (4 * n, n)
        shapes[f"layer{layer}.fc2"] = (n, 4 * n)
    return shapes


def draw_weights(config: Config, vocab_size: int, rng: Random) -> Dict[str, List[List[float]]]:
    """Gaussian weights (n_out, n_in) by name, drawn from ``rng`` in microgpt.py's order."""
    return {
        name: [[rng.gauss(0, config.init_std) for _ in range(n_in)] for _ in range(n_out)]
        for name, (n_out, n_in) in shapes(config, vocab_size).items()
    }


def count_parameters(config: Config, vocab_size: int) -> int:
    """How many weights the model has. Raises WorkloadError for more than LARGEST_MODEL, before anything so large is made."""
    n = config.n_embd
    parameters = ((1 if config.tied else 2) * vocab_size + config.block_size) * n + config.n_layer * 12 * n * n
    if parameters > LARGEST_MODEL:
        raise WorkloadError(
            f"a model of {parameters:,} parameters is too large, at most {LARGEST_MODEL:,}: choose a smaller one"
        )
    return parameters


class GPT:
    """The model on one engine: holds the engine's matrices by name, in the order they were drawn."""

    def __init__(self, engine: Engine, config: Config, weights: Dict[str, List[List[float]]]) -> None:
        self.engine = engine
        self.config = config
        self.matrices: Dict[str, Any] = {name: engine.matrix(rows) for name, rows in weights.items()}
        self.names = [[f"layer{layer}.{part}" for part in IN_A_LAYER] for layer in range(config.n_layer)]
        self.head = "wte" if config.tied else "lm_head"

    def cache(self) -> Cache:
        """An empty cache of keys or of values."""
        return [[] for _ in range(self.config.n_layer)]

    def __call__(self, token: Index, position: Index, keys: Cache, values: Cache) -> Vector:
        """Logits of the next token, (vocab,), after ``token`` at ``position``; appends to the caches."""
        engine, w, n_head = self.engine, self.matrices, self.config.n_head
        add, linear, rmsnorm = engine.add, engine.linear, engine.rmsnorm

        x = add(engine.embedding(w["wte"], token), engine.embedding(w["wpe"], position))
        x = rmsnorm(x)
        for layer, (wq, wk, wv, wo, fc1, fc2) in enumerate(self.names):
            # attention
            residual = x
            x = rmsnorm(x)
            q = linear(x, w[wq])
            keys[layer].append(linear(x, w[wk]))
            values[layer].append(linear(x, w[wv]))
            x = engine.attention(q, keys[layer], values[layer], n_head)
            x = add(linear(x, w[wo]), residual)
            # multilayer perceptron
            residual = x
            x = rmsnorm(x)
            x = engine.relu(linear(x, w[fc1]))
            x = add(linear(x, w[fc2]), residual)
        return linear(x, w[self.head])

    def loss(self, tokens: Sequence[int]) -> Any:
        """Mean loss over the document's next-token predictions, as the engine's scalar.

        ``tokens`` begins and ends with BOS; at most ``block_size`` positions are used.
        """
        engine = self.engine
        n = min(self.config.block_size, len(tokens) - 1)
        keys, values = self.cache(), self.cache()
        if engine.batched:
            logits = self(tokens[:n], range(n), keys, values)
            return engine.mean([engine.cross_entropy(logits, tokens[1 : n + 1])])
        losses = []
        for position in range(n):
            logits = self(tokens[position], position, keys, values)
            losses.append(engine.cross_entropy(logits, tokens[position + 1]))
        return engine.mean(losses)
