"""The page of the ladder: each model trained alike, and what it reaches."""

from __future__ import annotations

from bench.host.pages.rendering import render_table
from bench.host.results.ladder import HELD_OUT, LAST, Ladder
from bench.host.results.table import NOTHING, Table
from bench.workload.config import Config
from bench.workload.ladder.ladder_model import SGD_RATE

WHAT = {
    "bigram": "counts which character follows which",
    "mlp_manual": "three characters back, one hidden layer; gradients by hand",
    "mlp": "the same; gradients by autograd",
    "attention": "all characters so far, by one attention head",
    "multi_head": "four heads, residuals, rmsnorm: the GPT without its perceptron",
    "gpt": "a perceptron behind the attention: microgpt.py",
}


def table(ladder: Ladder) -> Table:
    """A row for each model and optimizer."""
    return Table(
        "The ladder",
        [
            f"{ladder.data}, {ladder.steps} steps of one document each, seed 42, default sizes. Losses in nats per token; all tokens as"
            f" probable: {ladder.uniform:.4f}.",
            f"adam: learning rate {Config.learning_rate:g} falling to 0, as microgpt.py's; sgd: {SGD_RATE} times that, for a plain"
            " gradient is not divided by its own size.",
            f"training: mean of the last {min(LAST, ladder.steps)} steps; unseen: {HELD_OUT} documents that nobody trained on.",
        ],
        ["model", "optimizer", "parameters", "training", "unseen", "what it does"],
        [
            [
                one.model,
                NOTHING if one.model == "bigram" else one.optimizer,
                f"{one.parameters:,}",
                f"{one.training:.4f}",
                f"{one.unseen:.4f}",
                WHAT[one.model],
            ]
            for one in ladder.models
        ],
        [],
    )


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
