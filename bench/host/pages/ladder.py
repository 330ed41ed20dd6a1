"""The page of the ladder: each model trained alike, and what it reaches."""

from __future__ import annotations

import math

from bench.host.measure.plan import Progress
from bench.host.pages.tables import NOTHING, Table, render_table
from bench.workload import ladder
from bench.workload.config import Config, WorkloadError
from bench.workload.data import cut, read_documents
from bench.workload.ladder.rung import SGD_RATE
from bench.workload.trainer import Trainer

HELD_OUT = 200  # documents that no model trains on
WHAT = {
    "bigram": "counts which character follows which",
    "mlp_manual": "three characters back, one hidden layer; gradients by hand",
    "mlp": "the same; gradients by autograd",
    "attention": "all characters so far, by one attention head",
    "multi_head": "four heads, residuals, rmsnorm: the GPT without its perceptron",
    "gpt": "a perceptron behind the attention: microgpt.py",
}


def climb(path: str, data: str, steps: int, progress: Progress) -> Table:
    """Train each model by each optimizer that it takes; losses in nats per token, on documents nobody trained on too.

    Raises WorkloadError where there are too few documents to hold some out.
    """
    documents = read_documents(path)
    count = len(documents)
    if note := cut(documents, Config.block_size):
        progress.say(note)
    if count <= HELD_OUT:
        raise WorkloadError(f"{data} has {count} documents, and {HELD_OUT} are held out: give more")
    rows = []
    for model, what in WHAT.items():
        for optimizer in ladder.OPTIMIZERS:
            if optimizer == "sgd" and model in ("bigram", "gpt"):
                continue
            progress.advance(f"{model} by {optimizer}")
            rung = ladder.make(model, "vector", path, Config(schedule_steps=steps), optimizer)
            unseen = rung.documents[-HELD_OUT:]  # the steps begin at the front
            del rung.documents[-HELD_OUT:]
            losses = [rung.step().loss for _ in range(steps)]
            last = losses[-100:]
            if isinstance(rung, Trainer):
                rung.held_out = unseen
                loss = _validate(rung)
            else:
                loss = rung.evaluate(unseen)
            parameters = sum(len(row) for rows_ in rung.weights().values() for row in rows_)
            rows.append(
                [
                    model,
                    NOTHING if model == "bigram" else optimizer,
                    f"{parameters:,}",
                    f"{math.fsum(last) / len(last):.4f}",
                    f"{loss:.4f}",
                    what,
                ]
            )
    uniform = math.log(len(rung.vocabulary))
    return Table(
        "The ladder",
        [
            f"{data}, {steps} steps of one document each, seed 42, default sizes. Losses in nats per token; all tokens as"
            f" probable: {uniform:.4f}.",
            f"adam: learning rate {Config.learning_rate:g} falling to 0, as microgpt.py's; sgd: {SGD_RATE} times that, for a plain"
            " gradient is not divided by its own size.",
            f"training: mean of the last {len(last)} steps; unseen: {HELD_OUT} documents that nobody trained on.",
        ],
        ["model", "optimizer", "parameters", "training", "unseen", "what it does"],
        rows,
        [],
    )


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


def page(table: Table) -> str:
    """results/ladder.md."""
    return (
        "# From counting letter pairs to the GPT\n\n"
        "Each model adds one idea to the one above it; each is a short file under `bench/workload/ladder/`, to be read in\n"
        "this order. All read the same documents from the same seed. `microgpt-bench train --model NAME` trains one, and\n"
        "`microgpt-bench ladder --data names --output results/ladder.md` makes this page.\n\n"
        + render_table(table, "github")
        + "\n\nThe two perceptrons are one model: by hand or by an engine, the losses agree to 1e-12 at every step (a test holds\n"
        "them together), so equal rows are what should stand here. The GPT trains by Adam only, as microgpt.py does.\n"
    )
