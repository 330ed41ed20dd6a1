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
    "multi_head": "four heads, residuals, rmsnorm: the GPT without its MLP",
    "gpt": "an MLP after the attention: microgpt.py",
}


def table(ladder: Ladder) -> Table:
    """A row for each model and optimizer."""
    return Table(
        "The ladder",
        [
            f"{ladder.data}, {ladder.steps} steps of one document each, seed 42, default sizes. Losses in nats per token; uniform"
            f" guessing: {ladder.uniform:.4f}.",
            f"adam: learning rate {Config.learning_rate:g} falling to 0, as microgpt.py's; sgd: {SGD_RATE} times that, because a"
            " plain gradient is not normalized.",
            f"training: mean of the last {min(LAST, ladder.steps)} steps; unseen: {HELD_OUT} documents that are not trained on.",
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
        "Each model adds one idea to the one above it. Each is a short file in `bench/workload/ladder/`; read them in this\n"
        "order. All train on the same documents from the same seed. `microgpt-bench train --model NAME` trains one, and\n"
        "`microgpt-bench ladder --data names --output results/ladder.md` makes this page.\n\n"
        + render_table(table, "github")
        + "\n\nThe two MLPs are the same model: with gradients by hand or by an engine, the losses agree to 1e-12 at every step (a\n"
        "test checks it), so their rows should be equal. The GPT trains by Adam only, as microgpt.py does.\n"
    )
