"""The command ``microgpt-bench merge``."""

from __future__ import annotations

import pathlib

import click

from bench.api import measuring
from bench.api.tables import render
from bench.cli.ending import FOUND, OK
from bench.cli.options import BASE, FORMAT, RESULTS, command_words


@click.command("merge")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=pathlib.Path))
@RESULTS
@click.option("--name", help="Name of the merged run's folder.  [default: date and time]")
@FORMAT
@BASE
def command(
    runs: tuple[pathlib.Path, ...], results: pathlib.Path, name: str | None, style: str, base: str | None
) -> int:
    """Join runs of one plan, or parts of it, into one run with a level for machines, and print its tables.

    Runs that differ in data, model, options, engines or builds of Python are refused, and so is a round given twice.
    """
    run = measuring.merge(runs, name=name, base=base, results=results, command=command_words())
    click.echo(render(run, style, base))
    click.echo(f"saved in {run.folder}", err=True)
    return OK if run.good() else FOUND
