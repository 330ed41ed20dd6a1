"""The command ``microgpt-bench scale``."""

from __future__ import annotations

import pathlib
from typing import Any

import click

from bench.api import measuring, reading
from bench.api.tables import render
from bench.cli.ending import FOUND, OK
from bench.cli.options import FORMAT, RESULTS, command_words, measuring_options
from bench.cli.values import Numbers
from bench.workload.data import DEFAULT


@click.command("scale")
@click.option("--n-embd", type=Numbers(), default="16,32,64", show_default=True, help="Widths of the embeddings.")
@click.option("--n-layer", type=Numbers(), default="1,2,4", show_default=True, help="Numbers of transformer layers.")
@click.option("--block-size", type=Numbers(), default="16,32,64", show_default=True, help="Context lengths, in tokens.")
@measuring_options("all", "the newest CPython found", 3, "1h", workload=False, steps=3)
@click.option(
    "--data",
    default=DEFAULT,
    show_default=True,
    metavar="NAME|PATH",
    help="Training documents, joined to fill the context.",
)
@RESULTS
@click.option("--name", help="Name of the run's folder.  [default: scale- with date and time]")
@click.option(
    "--show", "shown", type=click.Path(path_type=pathlib.Path), metavar="RUN", help="Only print the tables of this run."
)
@FORMAT
def command(results: pathlib.Path, shown: pathlib.Path | None, style: str, **options: Any) -> int:
    """Measure how each engine's time grows with the model: one size at a time, all sizes of an engine in lockstep."""
    if shown is not None:
        scaled = reading.load_scaling(shown, results=results)
    else:
        scaled = measuring.scale(results=results, command=command_words(), **options)
    click.echo(render(scaled, style))
    return OK if scaled.good() else FOUND
