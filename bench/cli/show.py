"""The command ``microgpt-bench show``."""

from __future__ import annotations

import pathlib

import click

from bench.cli.ending import FOUND, OK
from bench.cli.options import BASE, FORMAT, RESULTS
from bench.host.pages import rendering, run_tables
from bench.host.results import kinds, store


@click.command("show")
@click.argument("run_folder", metavar="RUN", type=click.Path(path_type=pathlib.Path))
@RESULTS
@FORMAT
@BASE
@click.option("--headline", is_flag=True, help="Only the table of speedups over the reference.")
def command(run_folder: pathlib.Path, folder: pathlib.Path, style: str, base: str | None, headline: bool) -> int:
    """Print a run's tables again. RUN is a folder, the name of one under results/, or 'latest' for the latest run."""
    measured = store.load(kinds.find(run_folder, folder))
    click.echo(
        rendering.render_table(run_tables.headline(measured), style)
        if headline
        else run_tables.render(measured, style, base)
    )
    return OK if measured.good() else FOUND
