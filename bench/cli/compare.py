"""The command ``microgpt-bench compare``."""

from __future__ import annotations

import pathlib

import click

from bench.api import reading
from bench.api.tables import render
from bench.cli.ending import OK
from bench.cli.options import FORMAT, OVER, RESULTS, formerly


@click.command("compare")
@click.argument("first", metavar="RUN[:RUNTIME|:ROW]|FILE")
@click.argument("second", metavar="RUN[:RUNTIME|:ROW]|FILE")
@RESULTS
@click.option(
    "--allow-mismatch",
    is_flag=True,
    help="Compare runs that differ in machine, build, workload or number of rounds; the table says so.",
)
@OVER
@formerly("--anyway", "--allow-mismatch", is_flag=True)
@FORMAT
def command(first: str, second: str, results: pathlib.Path, over: str | None, allow_mismatch: bool, style: str) -> int:
    """Compare two runs, two runtimes of one, or two pyperf files: how many times as fast the second is.

    Without runtimes: those of the same name. Two runtimes of one run were measured in lockstep and are paired. Of a run of
    peers RUN:ROW names a program or an engine, to compare two of its rows. With --over speedups over a base are compared,
    each paired within its own run, so that a busier machine cancels out.
    """
    compared = reading.compare(first, second, over=over, allow_mismatch=allow_mismatch, results=results)
    click.echo(render(compared, style))
    return OK
