"""The command ``microgpt-bench warmup``."""

from __future__ import annotations

import pathlib

import click

from bench.api import explaining
from bench.api.tables import render
from bench.cli.ending import FOUND, OK
from bench.cli.options import FORMAT, RESULTS


@click.command("warmup")
@click.argument("run", metavar="[RUN]", default="latest", type=click.Path(path_type=pathlib.Path))
@RESULTS
@FORMAT
def command(run: pathlib.Path, results: pathlib.Path, style: str) -> int:
    """Show when each engine reaches its steady speed on each runtime, and its speedup before and after.

    RUN is a folder, or the name of one under results/; the default is the latest of microgpt-bench run. It needs 20 steps
    or more.
    """
    warm_ups = explaining.warmup(run, results=results)
    click.echo(render(warm_ups, style))
    return OK if warm_ups.run.good() else FOUND
