"""Drawing documents from a model, one token after the other."""

from __future__ import annotations

import dataclasses
import math
from typing import Iterator, List, NamedTuple, Optional, Tuple

from bench.workload.config import WorkloadError
from bench.workload.data import Vocabulary
from bench.workload.gpt import GPT, Index
from bench.workload.random_streams import Random

COLDEST = 1e-100  # logits divided by less than this might overflow
COMPARED = 5  # samples along which engines' probabilities are compared
END = ""  # what stands for BOS, which ends a document


class Token(NamedTuple):
    """One drawn token: a character, or END where the document ends.

    ``probability`` is the one it was drawn with; ``alternatives`` are the most probable tokens at this place with theirs,
    most probable first, the drawn one among them or not. ``sample`` counts from 0, ``position`` is the place in the text.
    """

    sample: int
    position: int
    token: str
    probability: float
    alternatives: List[Tuple[str, float]]


@dataclasses.dataclass(frozen=True)
class Sampling:
    """How tokens are chosen. Raises WorkloadError for what makes no sense.

    ``temperature`` divides the logits, so that below 1 probable tokens become more probable. ``top_k`` keeps the k most
    probable ones only (Fan et al. 2018), of equals the first. ``greedy`` takes the most probable token and draws no
    random number. ``prefix`` is what each document begins with.
    """

    temperature: float = 0.5
    top_k: Optional[int] = None
    greedy: bool = False
    prefix: str = ""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature >= COLDEST):
            raise WorkloadError(
                f"temperature is {self.temperature}: it must be a finite number above 0, at least {COLDEST:g}; to take"
                " the most probable token use greedy"
            )
        if self.top_k is not None and self.top_k < 1:
            raise WorkloadError(f"top_k is {self.top_k}: it must be at least 1")


def encode_prefix(vocabulary: Vocabulary, prefix: str, block_size: int) -> List[int]:
    """The prefix as tokens. Raises WorkloadError for unknown characters, or where it leaves no room for one more."""
    given = vocabulary.encode(prefix)[1:-1]
    if len(given) >= block_size:
        raise WorkloadError(
            f"the prefix {prefix[:40]!r} has {len(given)} characters: give at most {block_size - 1}, so that a block of"
            f" {block_size} has room for one more"
        )
    return given


Drawn = Tuple[int, int, List[float]]  # position, token, and the weights that it was drawn by


def draw(model: GPT, vocabulary: Vocabulary, rng: Random, sampling: Sampling) -> Tuple[str, List[Drawn]]:
    """A document, prefix included, and what was drawn for it. Raises WorkloadError for an impossible prefix."""
    engine, block_size = model.engine, model.config.block_size
    given = encode_prefix(vocabulary, sampling.prefix, block_size)
    keys, values = model.cache(), model.cache()
    tokens, drawn = range(len(vocabulary)), []
    token, text = vocabulary.bos, []
    with engine.no_graph():
        for position in range(block_size):
            logits = model(_one(model, token), _one(model, position), keys, values)
            if position < len(given):
                token = given[position]
            else:
                weights = _weights(engine.probabilities(logits, sampling.temperature), sampling)
                token = weights.index(max(weights)) if sampling.greedy else rng.choices(tokens, weights=weights)[0]
                drawn.append((position, token, weights))
                if token == vocabulary.bos:
                    break
            text.append(vocabulary.characters[token])
        engine.reset()
    return "".join(text), drawn


def along(model: GPT, vocabulary: Vocabulary, text: str, sampling: Sampling) -> List[List[float]]:
    """The weights that the next token would be drawn by at each place of ``text``, its end included: (places, vocabulary)."""
    engine, tokens, probabilities = model.engine, vocabulary.encode(text)[:-1][: model.config.block_size], []
    keys, values = model.cache(), model.cache()
    with engine.no_graph():
        for position, token in enumerate(tokens):
            logits = model(_one(model, token), _one(model, position), keys, values)
            probabilities.append(_weights(engine.probabilities(logits, sampling.temperature), sampling))
        engine.reset()
    return probabilities


def trace(model: GPT, vocabulary: Vocabulary, rng: Random, samples: int, sampling: Sampling) -> Iterator[Token]:
    """So many documents, token by token; each document is drawn when its first token is asked for."""
    names = [*vocabulary.characters, END]
    for sample in range(samples):
        for position, token, weights in draw(model, vocabulary, rng, sampling)[1]:
            total = math.fsum(weights)
            best = sorted(range(len(weights)), key=lambda i: -weights[i])[:5]
            alternatives = [(names[i], weights[i] / total) for i in best if weights[i]]
            yield Token(sample, position, names[token], weights[token] / total, alternatives)


def _one(model: GPT, index: int) -> Index:
    """One position's index as the engine takes it: a batched engine gets a sequence of length one."""
    return [index] if model.engine.batched else index


def _weights(probabilities: List[float], sampling: Sampling) -> List[float]:
    """With top_k, what is not among the k most probable is 0; the rest is not scaled up, as only proportions count."""
    if sampling.top_k is None or sampling.top_k >= len(probabilities):
        return probabilities
    kept = set(sorted(range(len(probabilities)), key=lambda i: -probabilities[i])[: sampling.top_k])
    return [p if i in kept else 0.0 for i, p in enumerate(probabilities)]
