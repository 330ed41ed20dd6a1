"""The command ``microgpt-bench count``."""

from __future__ import annotations

import pathlib
from typing import Any

import click

from bench.api import measuring
from bench.api.tables import render
from bench.cli.ending import FOUND, OK
from bench.cli.options import FORMAT, RESULTS
from bench.cli.values import Seconds


@click.command("count")
@click.argument("run", metavar="[RUN]", default="latest", type=click.Path(path_type=pathlib.Path))
@click.option(
    "--engine", "engines", multiple=True, metavar="NAME", help="Engine of the run; repeatable.  [default: all]"
)
@click.option(
    "--python", "runtimes", multiple=True, metavar="RUNTIME", help="Runtime of the run; repeatable.  [default: all]"
)
@click.option("--timeout", type=Seconds(), default="5m", show_default=True, help="Time limit of a counting process.")
@RESULTS
@FORMAT
def command(style: str, **options: Any) -> int:
    """Add exact counters to a run: instructions, nodes, memory and garbage collection per step.

    RUN is a folder, or the name of one under results/; the default is the latest of microgpt-bench run. Its timings
    stay as they are.
    """
    run = measuring.count(**options)
    click.echo(render(run, style, only="counters"))
    click.echo(f"saved in {run.folder}", err=True)
    return FOUND if run.uncounted() else OK
