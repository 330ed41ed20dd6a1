"""The command ``microgpt-bench run``."""

from __future__ import annotations

import pathlib
from typing import Any

import click

from bench.api import measuring
from bench.api.tables import render
from bench.cli.ending import FOUND, OK
from bench.cli.options import BASE, FORMAT, RESULTS, arguments, cluster_options, given, measuring_options
from bench.cli.values import Whole
from bench.host.measure.compilers import COMPILERS
from bench.host.results.precision import FEWEST, MOST
from bench.host.results.records import LEAD_IN


@click.command("run")
@measuring_options("all", "every CPython 3.10 to 3.15 found", f"{FEWEST} to {MOST}, until intervals are narrow", "5m")
@click.option(
    "--compile",
    multiple=True,
    type=click.Choice(sorted(COMPILERS)),
    help="Also measure each engine named, or the reference, as this compiler makes it of the file as it is; repeatable.",
)
@RESULTS
@click.option("--name", help="Name of the run's folder.  [default: date and time]")
@click.option(
    "--resume",
    type=click.Path(path_type=pathlib.Path),
    metavar="RUN",
    help="Continue an interrupted run, with its own options.",
)
@click.option(
    "--from-start",
    is_flag=True,
    help="Time the first steps of the training run, not steps spread over it.",
)
@click.option(
    "--lead-in",
    type=Whole(0),
    default=LEAD_IN,
    show_default=True,
    help="Untimed steps that each process trains first, from the start of the training run.",
)
@click.option(
    "--young",
    is_flag=True,
    help="Do not put the memory of each process in the disorder of a long run first.",
)
@click.option(
    "--part",
    metavar="K/N",
    help="Measure only part K of N of the rounds: N machines share a run, and merge joins them.",
)
@cluster_options
@FORMAT
@BASE
def command(lead_in: int, young: bool, style: str, base: str | None, **options: Any) -> int:
    """Measure engines on runtimes in lockstep and print the tables."""
    run = measuring.measure(base=base, lead_in=lead_in if given("lead_in") else None, young=young, **arguments(options))
    click.echo(render(run, style, base))
    click.echo(f"saved in {run.folder}", err=True)
    return OK if run.good() else FOUND
