"""The fixed trainer: one document and one Adam update a step, then samples, all from one random stream."""

from __future__ import annotations

import math
import pathlib
import time
from itertools import chain
from operator import mul
from typing import Any, Callable, Dict, Iterator, List, Literal, NamedTuple, Optional, Tuple, Union, overload

import engines
from bench.workload import data, generation, model_file
from bench.workload.adam import Numbers
from bench.workload.config import Config, WorkloadError
from bench.workload.data import Documents
from bench.workload.engine import PLAIN, Engine, loss_of
from bench.workload.generation import Sampling, Token
from bench.workload.gpt import GPT, draw_weights
from bench.workload.model_file import SavedModel
from bench.workload.random_streams import seeded


class Step(NamedTuple):
    """What one training step did. ``step`` counts from 1, ``loss`` is in nats per token, ``seconds`` is wall time."""

    step: int
    loss: float
    document: str
    learning_rate: float
    seconds: float


class Trainer:
    """microgpt.py's training run on one engine.

    ``engine``: a name, a path to a FILE.py, or an Engine. ``documents``: a list of strings, a text with line breaks, one
    document a line, the name of an embedded dataset, or a path. Raises WorkloadError for bad input, engines.EngineError where the
    engine cannot be had.

    The random stream is microgpt.py's: seed, shuffle of the documents, weights, and later the samples. Documents that
    ``config`` holds out for validation are ``held_out``; all characters are in the vocabulary. Training goes on from a
    ``saved`` model's weights and step, with Adam's moments at 0 again.
    """

    def __init__(
        self,
        engine: Union[str, Engine] = "reference",
        documents: Documents = data.DEFAULT,
        config: Optional[Config] = None,
        saved: Optional[SavedModel] = None,
    ) -> None:
        self.engine = engine if isinstance(engine, Engine) else engines.load(engine)
        if self.engine.unavailable:
            raise engines.EngineUnavailable(f"engine {self.engine.name} cannot run here: {self.engine.unavailable}")
        self.config = config or (saved.config if saved else Config())
        self.documents = data.documents_in(documents)
        self.vocabulary = data.Vocabulary(self.documents)
        self.rng = seeded(self.config.rng, self.config.seed, self.config.gaussian)
        self.rng.shuffle(self.documents)
        self.held_out = self._hold_out()
        weights = draw_weights(self.config, len(self.vocabulary), self.rng)
        if saved is not None:
            if saved.characters != "".join(self.vocabulary.characters):
                raise WorkloadError(
                    f"the saved model knows the characters {saved.characters!r}, these documents have"
                    f" {''.join(self.vocabulary.characters)!r}: give documents with the same ones"
                )
            weights = saved.weights
        self.model = GPT(self.engine, self.config, weights)
        self.optimizer = self.engine.optimizer(
            list(self.model.matrices.values()), self.config.beta1, self.config.beta2, self.config.eps
        )
        self.steps_done = 0 if saved is None else saved.steps
        self.products = [(1.0, 1.0)]  # of β₁ and β₂ with themselves, as long as they were wanted
        config = self.config
        self.adam_options = bool(config.clip_norm or config.weight_decay or config.bias_correction == "product")

    def _hold_out(self) -> List[str]:
        """Take the documents for validation off the end. Raises WorkloadError where that leaves nothing on a side."""
        split, count = self.config.validation_split, len(self.documents)
        if not split:
            return []
        kept = int(count * (1 - split))
        if kept in (0, count):
            raise WorkloadError(
                f"a validation_split of {split} leaves {kept} of {count} documents to train on and {count - kept} to"
                " validate on: give more documents or another share"
            )
        held_out = self.documents[kept:]
        del self.documents[kept:]
        return held_out

    def step(self, look: Optional[Callable[[], None]] = None, document: Optional[str] = None) -> Step:
        """Train on the next document: forward, backward, update. ``look`` is called when the gradients are known.

        ``document``: one to train on in place of the next.
        """
        started = time.perf_counter()
        step, engine = self.steps_done, self.engine
        if document is None:
            document = self.documents[step % len(self.documents)]
        loss = self.model.loss(self.vocabulary.encode(document))
        engine.backward(loss)
        if look is not None:
            look()
        learning_rate = self.config.learning_rate_at(step)
        if self.adam_options:
            self._update_with_options(step + 1, learning_rate)
        else:
            self.optimizer.update(step + 1, learning_rate)
        self.steps_done = step + 1
        loss_value = loss_of(loss)
        del loss  # the graph goes before the next one is built, and inside the time of the step that built it
        engine.reset()
        return Step(step + 1, loss_value, document, learning_rate, time.perf_counter() - started)

    def _update_with_options(self, t: int, learning_rate: float) -> None:
        """Adam's update with what the training options say of gradients, weights and bias corrections."""
        config, corrections, shrink = self.config, None, 1.0
        if config.bias_correction == "product":
            while len(self.products) <= t:
                power1, power2 = self.products[-1]
                self.products.append((power1 * config.beta1, power2 * config.beta2))
            corrections = 1 - self.products[t][0], 1 - self.products[t][1]
        if config.clip_norm:
            norm = self.gradient_norm()
            if norm > config.clip_norm:
                shrink = config.clip_norm / norm
        self.optimizer.update(t, learning_rate, corrections, shrink, 1 - learning_rate * config.weight_decay)

    def gradient_norm(self) -> float:
        """Euclidean norm of all gradients together, as gathered now: the same for the same gradients, in any order."""
        rows = chain.from_iterable(map(self.engine.read_gradients, self.model.matrices.values()))
        gradients = list(chain.from_iterable(rows))
        return math.sqrt(math.fsum(map(mul, gradients, gradients)))

    def validation_due(self) -> bool:
        """Whether the step just done is one after which ``validate_every`` wants a validation."""
        return bool(self.config.validate_every) and self.steps_done % self.config.validate_every == 0

    def validate(self) -> float:
        """Mean loss over documents that are held out, in nats per token; no graph is built, nothing is trained.

        Raises WorkloadError where none are held out.
        """
        if not self.held_out:
            raise WorkloadError("no documents are held out: give validation_split, as in 0.1")
        model = self.model
        if self.engine.value is not None:  # scalar nodes can't but build their graph: the same sums over plain floats
            model = GPT(PLAIN, self.config, self.weights())
        total = tokens = 0.0
        with self.engine.no_graph():
            for document in self.held_out[: self.config.validation_documents]:
                encoded = self.vocabulary.encode(document)
                n = min(self.config.block_size, len(encoded) - 1)
                total += loss_of(model.loss(encoded)) * n
                tokens += n
                self.engine.reset()
        return total / tokens

    def gradients(self) -> Dict[str, List[List[float]]]:
        """d loss / d weight of the next document by matrix name, (n_out, n_in) each; trains nothing."""
        before = self.snapshot()
        loss = self.model.loss(self.vocabulary.encode(self.documents[self.steps_done % len(self.documents)]))
        self.engine.backward(loss)
        gradients = {name: self.engine.read_gradients(matrix) for name, matrix in self.model.matrices.items()}
        del loss
        self.engine.reset()
        self.restore(before)
        return gradients

    def cut(self) -> str:
        """How many documents the block cuts, as a line; "" for none."""
        return data.cut([*self.documents, *self.held_out], self.config.block_size)

    def snapshot(self) -> Tuple[int, Any]:
        """All that a step changes, to go back to with ``restore``."""
        return self.steps_done, self.optimizer.snapshot()

    def restore(self, snapshot: Tuple[int, Any]) -> None:
        """Undo the steps since ``snapshot``; gradients are zero again. The random stream stays where it is."""
        self.steps_done, optimizer = snapshot
        self.optimizer.restore(optimizer)

    def load(self, steps_done: int, weights: Numbers, m: Numbers, v: Numbers) -> None:
        """Go to the training run's state after so many steps: weights and Adam's moments, matrix after matrix.

        Raises WorkloadError where there are not as many of each as the model has parameters, or the engine's optimizer
        has no ``load``.
        """
        parameters = sum(len(rows) * len(rows[0]) for rows in self.weights().values())
        if {len(weights), len(m), len(v)} != {parameters}:
            raise WorkloadError(f"a state of {len(weights)} weights does not fit a model of {parameters}")
        if not hasattr(self.optimizer, "load"):
            raise WorkloadError(
                f"the optimizer of engine {self.engine.name} has no load(weights, m, v, t): give it one, as in"
                " bench/workload/adam.py, or measure with --from-start"
            )
        self.optimizer.load(weights, m, v, steps_done)
        self.steps_done = steps_done

    def weights(self) -> Dict[str, List[List[float]]]:
        """The weights by matrix name, (n_out, n_in) each."""
        return {name: self.engine.read_values(matrix) for name, matrix in self.model.matrices.items()}

    def count_nodes(self, step: int) -> int:
        """Graph nodes of the loss of step ``step`` (from 0). The count depends on the document's length only."""
        loss = self.model.loss(self.vocabulary.encode(self.documents[step % len(self.documents)]))
        nodes = self.engine.count_nodes(loss)
        del loss
        self.engine.reset()
        return nodes

    @overload
    def generate(
        self,
        samples: int = 20,
        temperature: float = 0.5,
        top_k: Optional[int] = None,
        greedy: bool = False,
        prefix: str = "",
        trace: Literal[False] = False,
    ) -> List[str]: ...

    @overload
    def generate(
        self,
        samples: int = 20,
        temperature: float = 0.5,
        top_k: Optional[int] = None,
        greedy: bool = False,
        prefix: str = "",
        *,
        trace: Literal[True],
    ) -> Iterator[Token]: ...

    def generate(
        self,
        samples: int = 20,
        temperature: float = 0.5,
        top_k: Optional[int] = None,
        greedy: bool = False,
        prefix: str = "",
        trace: bool = False,
    ) -> Union[List[str], Iterator[Token]]:
        """Draw documents from the model, with the defaults as microgpt.py does after training.

        What the options mean stands at bench.workload.generation.Sampling; ``top_k`` None: the configuration's. With
        ``trace`` the same documents come token by token, each with its probability and the most probable alternatives.
        Raises WorkloadError for what makes no sense.
        """
        sampling = Sampling(temperature, self.config.top_k if top_k is None else top_k, greedy, prefix)
        self.check(sampling)
        if trace:
            return generation.trace(self.model, self.vocabulary, self.rng, samples, sampling)
        return [generation.draw(self.model, self.vocabulary, self.rng, sampling)[0] for _ in range(samples)]

    def check(self, sampling: Sampling) -> None:
        """Raises WorkloadError where the prefix has unknown characters or leaves no room."""
        generation.encode_prefix(self.vocabulary, sampling.prefix, self.config.block_size)

    def saved(self) -> SavedModel:
        """The model as it is now."""
        characters = "".join(self.vocabulary.characters)
        return SavedModel(self.config, characters, self.weights(), self.engine.name, self.steps_done)

    def save(self, path: Union[str, pathlib.Path], overwrite: bool = False) -> None:
        """Write the model as it is now to a file. Raises WorkloadError where it can't be written."""
        model_file.save(path, self.saved(), overwrite)
