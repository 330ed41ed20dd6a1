"""What the models of the ladder share: documents, the random stream, one document a step, drawing samples."""

from __future__ import annotations

import math
import time
from typing import Any, Dict, List, Sequence, Tuple, Union

import engines
from bench.workload import data
from bench.workload.config import Config
from bench.workload.engine import Engine, loss_of
from bench.workload.generation import Sampling
from bench.workload.random_streams import seeded
from bench.workload.trainer import Step

SGD_RATE = 60  # times Adam's learning rate: a plain gradient is not divided by its own size


class LadderModel:
    """A language model over characters. A model says its ``shapes`` and computes; this class trains and draws."""

    def __init__(self, engine: Union[str, Engine], documents: data.Documents, config: Config, optimizer: str) -> None:
        self.config = config
        self.documents = data.documents_in(documents)
        self.vocabulary = data.Vocabulary(self.documents)
        self.rng = seeded(config.rng, config.seed, config.gaussian)
        self.rng.shuffle(self.documents)
        self.steps_done = 0
        weights = {
            name: [[self.rng.gauss(0, config.init_std) for _ in range(n_in)] for _ in range(n_out)]
            for name, (n_out, n_in) in self.shapes().items()
        }
        self.build(engine, weights, optimizer)

    # what a model says of itself

    def shapes(self) -> Dict[str, Tuple[int, int]]:
        """(n_out, n_in) of every matrix by name, in the order in which they are drawn."""
        raise NotImplementedError

    def build(self, engine: Union[str, Engine], weights: Dict[str, List[List[float]]], optimizer: str) -> None:
        """Take the drawn weights over."""
        raise NotImplementedError

    def train(self, tokens: List[int], learning_rate: float) -> float:
        """Learn from one document, as tokens with BOS at both ends; the mean loss before that, in nats per token."""
        raise NotImplementedError

    def probabilities(self, tokens: List[int], temperature: float) -> List[float]:
        """Of each next token after ``tokens``, which begin with BOS."""
        raise NotImplementedError

    def weights(self) -> Dict[str, List[List[float]]]:
        """The parameters by name, (n_out, n_in) each."""
        raise NotImplementedError

    # what all do alike

    def step(self) -> Step:
        """Train on the next document."""
        started = time.perf_counter()
        document = self.documents[self.steps_done % len(self.documents)]
        learning_rate = self.config.learning_rate_at(self.steps_done)
        self.steps_done += 1
        loss = self.train(self.vocabulary.encode(document), learning_rate)
        return Step(self.steps_done, loss, document, learning_rate, time.perf_counter() - started)

    def cut(self) -> str:
        """How many documents the block cuts, as a line; "" for none."""
        return data.cut(self.documents, self.config.block_size)

    def evaluate(self, documents: Sequence[str]) -> float:
        """Mean loss over documents, in nats per token; nothing is trained."""
        total = count = 0.0
        for document in documents:
            tokens = self.vocabulary.encode(document)[: self.config.block_size + 1]
            for end in range(1, len(tokens)):
                total -= math.log(self.probabilities(tokens[:end], 1.0)[tokens[end]])
                count += 1
        return total / count

    def generate(self, samples: int = 20, temperature: float = 0.5) -> List[str]:
        """Draw documents from the model. Raises WorkloadError for a temperature that makes no sense."""
        temperature = Sampling(temperature).temperature
        return [self._sample(temperature) for _ in range(samples)]

    def _sample(self, temperature: float) -> str:
        tokens = [self.vocabulary.bos]
        while len(tokens) <= self.config.block_size:
            weights = self.probabilities(tokens, temperature)
            tokens.append(self.rng.choices(range(len(self.vocabulary)), weights=weights)[0])
            if tokens[-1] == self.vocabulary.bos:
                break
        return "".join(self.vocabulary.characters[token] for token in tokens[1:] if token != self.vocabulary.bos)


class EngineLadderModel(LadderModel):
    """A model written against an engine's ops, position by position or, on a batched engine, all positions at once."""

    def build(self, engine: Union[str, Engine], weights: Dict[str, List[List[float]]], optimizer: str) -> None:
        """The engine's matrices, and its Adam; by SGD the trainer's gradients go through the same numbers."""
        self.engine = engine if isinstance(engine, Engine) else engines.load(engine)
        if self.engine.unavailable:
            raise engines.EngineUnavailable(f"engine {self.engine.name} cannot run here: {self.engine.unavailable}")
        config = self.config
        self.sgd = optimizer == "sgd"
        self.matrices = {name: self.engine.matrix(rows) for name, rows in weights.items()}
        if not self.sgd:
            matrices = list(self.matrices.values())
            self.adam = self.engine.optimizer(matrices, config.beta1, config.beta2, config.eps)

    def logits(self, tokens: List[int]) -> List[Any]:
        """For each position after ``tokens`` the engine's logits; a batched engine gives one for all."""
        raise NotImplementedError

    def at(self, position: Sequence[int]) -> Any:
        """Positions' indices as the engine takes them: all of them, or the only one."""
        return list(position) if self.engine.batched else position[0]

    def train(self, tokens: List[int], learning_rate: float) -> float:
        """Forward, backward, update."""
        engine = self.engine
        n = min(self.config.block_size, len(tokens) - 1)
        logits, targets = self.logits(tokens[:n]), tokens[1 : n + 1]
        losses = (
            [engine.cross_entropy(logits[0], targets)] if engine.batched else map(engine.cross_entropy, logits, targets)
        )
        loss = engine.mean(list(losses))
        engine.backward(loss)
        if self.sgd:
            self._descend(learning_rate)
        else:
            self.adam.update(self.steps_done, learning_rate)
        value = loss_of(loss)
        del loss, logits, losses
        engine.reset()
        return value

    def _descend(self, learning_rate: float) -> None:
        """Stochastic gradient descent. Engines have no update of this kind, so new matrices take the old ones' place."""
        rate = SGD_RATE * learning_rate
        for name, w in self.matrices.items():
            values, gradients = self.engine.read_values(w), self.engine.read_gradients(w)
            rows = [[x - rate * g for x, g in zip(*both)] for both in zip(values, gradients)]
            self.matrices[name] = self.engine.matrix(rows)

    def probabilities(self, tokens: List[int], temperature: float) -> List[float]:
        """Of each next token: the last position's."""
        engine = self.engine
        with engine.no_graph():
            probabilities = engine.probabilities(self.last_logits(tokens), temperature)
        engine.reset()
        return probabilities

    def last_logits(self, tokens: List[int]) -> Any:
        """The engine's logits after the last token, as for one position."""
        raise NotImplementedError

    def weights(self) -> Dict[str, List[List[float]]]:
        """The parameters by name, (n_out, n_in) each."""
        return {name: self.engine.read_values(w) for name, w in self.matrices.items()}
