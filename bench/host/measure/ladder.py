"""The ladder: each model trained alike, in this process."""

from __future__ import annotations

import math

from bench.host.results.ladder import HELD_OUT, LAST, Ladder, Trained
from bench.host.system.progress import Progress
from bench.workload import ladder
from bench.workload.config import Config, WorkloadError
from bench.workload.data import cut, read_documents
from bench.workload.trainer import Trainer


def train_all(path: str, data: str, steps: int, progress: Progress) -> Ladder:
    """Train each model by each optimizer that it takes; losses in nats per token, on documents nobody trained on too.

    Raises WorkloadError where there are too few documents to hold some out.
    """
    documents = read_documents(path)
    count = len(documents)
    if note := cut(documents, Config.block_size):
        progress.say(note)
    if count <= HELD_OUT:
        raise WorkloadError(f"{data} has {count} documents, but {HELD_OUT} are held out for validation: give more")
    trained = []
    for model in ladder.MODELS:
        for optimizer in ladder.OPTIMIZERS:
            if optimizer == "sgd" and model in ("bigram", "gpt"):
                continue
            progress.advance(f"{model} by {optimizer}")
            rung = ladder.make(model, "vector", path, Config(schedule_steps=steps), optimizer)
            unseen = rung.documents[-HELD_OUT:]  # the steps begin at the front
            del rung.documents[-HELD_OUT:]
            losses = [rung.step().loss for _ in range(steps)]
            last = losses[-LAST:]
            if isinstance(rung, Trainer):
                rung.held_out = unseen
                loss = _validate(rung)
            else:
                loss = rung.evaluate(unseen)
            parameters = sum(len(row) for matrix in rung.weights().values() for row in matrix)
            trained.append(Trained(model, optimizer, parameters, math.fsum(last) / len(last), loss))
    return Ladder(data, steps, math.log(len(rung.vocabulary)), trained)


def _validate(trainer: Trainer) -> float:
    """The GPT's loss over all documents held out, token by token."""
    total = tokens = 0.0
    documents = trainer.held_out
    for document in documents:
        trainer.held_out = [document]
        n = min(trainer.config.block_size, len(document) + 1)
        total += trainer.validate() * n
        tokens += n
    return total / tokens
