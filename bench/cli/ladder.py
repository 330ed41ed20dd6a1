"""The command ``microgpt-bench ladder``."""

from __future__ import annotations

import pathlib

import click

from bench.api import explaining
from bench.api.tables import render
from bench.cli import targets
from bench.cli.ending import OK
from bench.cli.options import FORMAT
from bench.cli.values import Whole
from bench.cli.workload_options import list_data
from bench.workload.data import DEFAULT


@click.command("ladder")
@click.option(
    "--data",
    default=DEFAULT,
    show_default=True,
    metavar="NAME|PATH",
    help="Training documents, as for train.",
    callback=list_data,
)
@click.option("--steps", type=Whole(1), default=1000, show_default=True, help="Training steps of each model.")
@click.option("--output", type=targets.Target(), metavar="FILE.md", help="Also write the page.")
@FORMAT
def command(data: str, steps: int, output: pathlib.Path | None, style: str) -> int:
    """Train each model of the ladder, from counting letter pairs to the GPT, and print what each step up brings."""
    if output is not None:
        targets.check(output)
    trained = explaining.ladder(data, steps=steps)
    if output is not None:
        targets.write(output, explaining.ladder_page(trained))
    click.echo(render(trained, style))
    return OK
