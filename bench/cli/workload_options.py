"""The options that decide the losses: documents, sizes, seeds, and how the model is trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from bench.cli.values import Finite, Whole
from bench.host.pages import datasets, rendering
from bench.workload.config import CHOICES, OPTIONS, PRESETS, Config
from bench.workload.data import DEFAULT
from bench.workload.data import embedded as embedded_data

DEFAULTS = Config()
# fields of Config that are off by default: None here says that nothing was asked for, so that a preset may decide
TRAINING: list[tuple[str, dict[str, Any]]] = [
    ("--tied/--untied", {"help": "Use the token embedding as the output matrix too."}),
    ("--schedule", {"type": click.Choice(CHOICES["schedule"]), "help": "Decay of the learning rate to 0."}),
    ("--clip-norm", {"type": Finite(), "help": "Clip gradients to this global norm."}),
    ("--weight-decay", {"type": Finite(), "help": "Decoupled weight decay, as in AdamW."}),
    (
        "--bias-correction",
        {
            "type": click.Choice(CHOICES["bias_correction"]),
            "help": "Adam's bias correction: one power per weight, or a running product.",
        },
    ),
    ("--validation-split", {"type": Finite(), "help": "Share of the documents to hold out, as in 0.1."}),
    ("--validate-every", {"type": Whole(), "metavar": "N", "help": "Compute validation loss every N steps."}),
    ("--validation-documents", {"type": Whole(), "metavar": "N", "help": "Use at most N held-out documents."}),
    ("--top-k", {"type": Whole(), "metavar": "K", "help": "Sample from the K most probable tokens only."}),
    (
        "--rng",
        {"type": click.Choice(CHOICES["rng"]), "help": "Random numbers: Python's, or those of the JavaScript ports."},
    ),
    ("--gaussian", {"type": click.Choice(CHOICES["gaussian"]), "help": "How mulberry32 draws normal numbers."}),
]
SIZES = ("n_layer", "n_embd", "block_size", "n_head", "seed", "learning_rate", "schedule_steps")
WORKLOAD = ("data", "preset", *SIZES, *OPTIONS)  # names of the parameters that workload_options adds


def workload_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that decide the losses."""
    for name, about in reversed(TRAINING):
        default = getattr(DEFAULTS, name.strip("-").partition("/")[0].replace("-", "_"))
        shown = {True: "on", False: "off", None: "off"}.get(default, default)
        about = {**about, "help": f"{about['help']}  [default: {shown}]"}
        command = click.option(name, default=None, **about)(command)
    command = click.option(
        "--preset",
        type=click.Choice(list(PRESETS)),
        default="microgpt",
        show_default=True,
        help="Set of training options: microgpt.py's, or the known optimized variant's. The options below override the preset.",
    )(command)
    sizes = [
        ("--n-layer", DEFAULTS.n_layer, "Transformer layers."),
        ("--n-embd", DEFAULTS.n_embd, "Width of the embeddings."),
        ("--block-size", DEFAULTS.block_size, "Longest context, in tokens."),
        ("--n-head", DEFAULTS.n_head, "Attention heads; must divide --n-embd."),
        ("--seed", DEFAULTS.seed, "Random seed of the shuffle, the weights and the samples."),
        ("--learning-rate", DEFAULTS.learning_rate, "Initial learning rate."),
        ("--schedule-steps", DEFAULTS.schedule_steps, "Steps until the learning rate reaches 0."),
    ]
    for name, default, text in reversed(sizes):
        command = click.option(
            name, type=Whole() if isinstance(default, int) else Finite(), default=default, show_default=True, help=text
        )(command)
    text = (
        f"Training documents: an embedded list ({', '.join(embedded_data())}), 'names' for the real names.txt, a PATH, or - for"
        " standard input. 'list' describes the embedded lists."
    )
    return click.option(
        "--data",
        default=DEFAULT,
        show_default=True,
        metavar="NAME|PATH",
        help=text,
        callback=list_data,
        is_eager=True,
    )(command)


def list_data(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """For ``--data list`` print the embedded datasets and exit; any other value as it is."""
    if value != "list" or ctx.resilient_parsing:
        return value
    click.echo(rendering.render_table(datasets.table(), "plain", left=True))
    ctx.exit()


def config_from(options: dict[str, Any]) -> Config:
    """Take the workload's options out of ``options``. Raises WorkloadError."""
    chosen = dict(PRESETS[options.pop("preset")])
    for name in OPTIONS:
        if (asked := options.pop(name)) is not None:
            chosen[name] = asked
    return Config(**{name: options.pop(name) for name in SIZES}, **chosen)
