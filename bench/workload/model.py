"""The model as a Python object: train it step by step, look inside it, generate from it, save it."""

from __future__ import annotations

import dataclasses
import math
import pathlib
import warnings
from typing import Any, Dict, Iterator, List, Literal, NamedTuple, Optional, Tuple, Union, overload

import engines
from bench.workload import data, engine, model_file
from bench.workload.config import PRESETS, Config, WorkloadError
from bench.workload.data import Documents
from bench.workload.engine import PLAIN, Engine
from bench.workload.failures import failures_of
from bench.workload.generation import Token
from bench.workload.gpt import GPT
from bench.workload.trainer import Trainer


class Record(NamedTuple):
    """What one training step did.

    ``step`` counts from 1; ``loss`` and ``validation`` are in nats per token, the latter None after steps that no
    validation follows; ``tokens`` are the document's with BOS at both ends; ``gradient_norm`` is over all parameters,
    before any clipping; ``seconds`` is the step's wall time; ``mean`` and ``deviation`` are the parameters' after it.
    """

    step: int
    loss: float
    document: str
    tokens: List[int]
    learning_rate: float
    gradient_norm: float
    seconds: float
    mean: float
    deviation: float
    validation: Optional[float]


class Inside(NamedTuple):
    """What the model computes for a text, for pictures. Positions are those of ``tokens``: END, then the characters.

    ``attention[layer][head][position]``: weights over the positions up to this one. ``residual[point][position]``: the
    residual stream (n_embd,) after the embedding, and then after each attention and each perceptron. ``neurons[layer]
    [position]``: activations (4 · n_embd,) behind the relu. ``probabilities[position]``: of every next token.
    """

    tokens: List[str]
    attention: List[List[List[List[float]]]]
    residual: List[List[List[float]]]
    neurons: List[List[List[float]]]
    probabilities: List[List[float]]


class Model:
    """A GPT in training, or one that was loaded.

    ``engine`` and ``documents`` are as Trainer takes them; where the block cuts documents, a warning says how many.
    ``preset`` and ``options`` are Config's, as in ``Model(n_embd=8, n_head=2, clip_norm=1.0)``. Raises WorkloadError for
    bad input, engines.EngineError where the engine cannot be had.

    >>> model = Model(documents=["emma", "ava", "mia"], n_embd=8, n_head=2, block_size=8)
    >>> record = model.step()
    >>> record.step, record.document, round(record.loss, 1)
    (1, 'ava', 1.8)
    >>> len(model.train(20)), len(model.losses)
    (20, 21)
    >>> model.losses[-1] < model.losses[0]
    True
    """

    def __init__(
        self,
        engine: Union[str, Engine] = "combined",
        documents: Documents = data.DEFAULT,
        preset: str = "microgpt",
        **options: Any,
    ) -> None:
        if preset not in PRESETS:
            raise WorkloadError(f"no preset {preset!r}: choose {' or '.join(PRESETS)}")
        fields = [field.name for field in dataclasses.fields(Config)]
        unknown = sorted(set(options) - set(fields))
        if unknown:
            raise WorkloadError(f"no option {unknown[0]!r}: choose from {', '.join(fields)}")
        self.trainer = Trainer(engine, documents, Config(**{**PRESETS[preset], **options}))
        _warn(self.trainer)
        self.losses: List[float] = []
        self.trainable = True

    @classmethod
    def load(
        cls, path: Union[str, pathlib.Path], engine: Optional[str] = None, documents: Optional[Documents] = None
    ) -> Model:
        """A model from a file, on the engine it was trained with or another. Raises WorkloadError for a bad file.

        With ``documents`` training goes on where it was, with Adam's moments at 0 again; without, the model is to draw
        from and to look at.
        """
        saved, model = model_file.load(path), cls.__new__(cls)
        if engine is None and saved.engine not in engines.NAMES:  # least of all a path: a model file must not run code
            raise WorkloadError(
                f"{path} was trained with {saved.engine[:40]!r}, which is not an engine of this project: name one that is"
            )
        config = saved.config
        if documents is None:
            config = dataclasses.replace(
                config, validation_split=0.0, validate_every=0, validation_documents=Config.validation_documents
            )
        model.trainer = Trainer(
            engine or saved.engine, [saved.characters] if documents is None else documents, config, saved
        )
        if documents is not None:
            _warn(model.trainer)
        model.losses = []
        model.trainable = documents is not None
        return model

    @property
    def config(self) -> Config:
        """Sizes, numbers and training options."""
        return self.trainer.config

    def step(self) -> Record:
        """Train on the next document. Raises WorkloadError where the numbers, or the engine's recursion, have an end."""
        if not self.trainable:
            raise WorkloadError("the model was loaded without documents: give load() some to train on")
        with failures_of(self.trainer.engine.name):
            return self._step()

    def _step(self) -> Record:
        trainer, norms = self.trainer, []  # type: Trainer, List[float]
        done = trainer.step(lambda: norms.append(trainer.gradient_norm()))
        self.losses.append(done.loss)
        numbers = [x for rows in trainer.weights().values() for row in rows for x in row]
        mean = math.fsum(numbers) / len(numbers)
        deviation = math.sqrt(math.fsum((x - mean) ** 2 for x in numbers) / len(numbers))
        return Record(
            done.step,
            done.loss,
            done.document,
            trainer.vocabulary.encode(done.document),
            done.learning_rate,
            norms[0],
            done.seconds,
            mean,
            deviation,
            trainer.validate() if trainer.validation_due() else None,
        )

    def train(self, steps: int) -> List[Record]:
        """So many steps, one record each. Raises WorkloadError as ``step`` does."""
        return [self.step() for _ in range(steps)]

    @overload
    def generate(self, samples: int = 20, *, trace: Literal[False] = False, **how: Any) -> List[str]: ...

    @overload
    def generate(self, samples: int = 20, *, trace: Literal[True], **how: Any) -> Iterator[Token]: ...

    def generate(self, samples: int = 20, *, trace: bool = False, **how: Any) -> Union[List[str], Iterator[Token]]:
        """Documents drawn from the model: ``temperature``, ``top_k``, ``greedy`` and ``prefix`` as in Trainer.generate.

        With ``trace`` token by token, each with its probability and the most probable alternatives. Raises WorkloadError
        for what makes no sense, and where training has left no numbers to draw by.
        """
        with failures_of(self.trainer.engine.name):
            generated: Union[List[str], Iterator[Token]] = self.trainer.generate(samples, **{**how, "trace": trace})
        return generated

    def embeddings(self) -> Tuple[Dict[str, List[float]], List[List[float]]]:
        """Of tokens by character ("" is END), and of positions: vectors (n_embd,)."""
        weights = self.trainer.weights()
        return dict(zip([*self.trainer.vocabulary.characters, ""], weights["wte"])), weights["wpe"]

    def look(self, text: str) -> Inside:
        """What the model computes when it reads a text; nothing is trained. Raises WorkloadError for unknown characters.

        >>> inside = Model(documents=["emma", "ava"], n_embd=8, n_head=2).look("ema")
        >>> inside.tokens
        ['', 'e', 'm', 'a']
        >>> [len(weights) for weights in inside.attention[0][1]], round(sum(inside.attention[0][1][3]), 9)
        ([1, 2, 3, 4], 1.0)
        """
        trainer, config = self.trainer, self.config
        vocabulary = trainer.vocabulary
        tokens = vocabulary.encode(text)[:-1][: config.block_size]
        softmaxes, sums, relus = [], [], []  # type: List[List[float]], List[List[float]], List[List[float]]

        def kept(op: Any, into: List[List[float]]) -> Any:
            def recording(*arguments: Any) -> Any:
                result = op(*arguments)
                into.append([x.data for x in result])
                return result

            return recording

        ops = {"softmax": (engine.softmax, softmaxes), "add": (engine.add, sums), "relu": (engine.relu, relus)}
        recorder = dataclasses.replace(PLAIN, **{name: kept(*of) for name, of in ops.items()})
        gpt = GPT(recorder, config, trainer.weights())
        keys, values = gpt.cache(), gpt.cache()
        probabilities = []
        for position, token in enumerate(tokens):
            probabilities.append(PLAIN.probabilities(gpt(token, position, keys, values), 1.0))
        layers, heads = range(config.n_layer), range(config.n_head)
        per_position = config.n_layer * config.n_head
        of_position = [softmaxes[i * per_position : (i + 1) * per_position] for i in range(len(tokens))]
        points = 1 + 2 * config.n_layer
        return Inside(
            ["" if token == vocabulary.bos else vocabulary.characters[token] for token in tokens],
            [
                [[weights[layer * config.n_head + head] for weights in of_position] for head in heads]
                for layer in layers
            ],
            [sums[point::points] for point in range(points)],
            [relus[layer :: config.n_layer] for layer in layers],
            probabilities,
        )

    def save(self, path: Union[str, pathlib.Path], overwrite: bool = False) -> None:
        """Write the model to a file. Raises WorkloadError where there is one already, unless told to overwrite it."""
        self.trainer.save(path, overwrite)


def _warn(trainer: Trainer) -> None:
    """Of documents that are cut, where the caller of the Model stands."""
    if note := trainer.cut():
        warnings.warn(note, stacklevel=3)
