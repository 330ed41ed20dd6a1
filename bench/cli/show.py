"""The command ``microgpt-bench show``."""

from __future__ import annotations

import pathlib

import click

from bench.api import reading
from bench.api.tables import render
from bench.cli.ending import FOUND, OK
from bench.cli.options import BASE, FORMAT, OVER, RESULTS
from bench.host.system.errors import UsageError


@click.command("show")
@click.argument("run", metavar="RUN", type=click.Path(path_type=pathlib.Path))
@RESULTS
@FORMAT
@BASE
@OVER
@click.option("--headline", is_flag=True, help="Only the table of speedups, engines by runtimes.")
def command(
    run: pathlib.Path, results: pathlib.Path, style: str, base: str | None, over: str | None, headline: bool
) -> int:
    """Print a run's tables again. RUN is a folder, the name of one under results/, or 'latest' for the latest run."""
    if headline and base is not None:
        raise UsageError("--base is for the table across runtimes, which --headline leaves out: give only one of them")
    measured = reading.load_run(run, kinds=["run"], results=results)
    click.echo(render(measured, style, base, only="headline" if headline else None, over=over))
    return OK if measured.good() else FOUND
