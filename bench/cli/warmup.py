"""The command ``microgpt-bench warmup``."""

from __future__ import annotations

import pathlib

import click

from bench.api import reading
from bench.cli.ending import FOUND, OK
from bench.cli.options import FORMAT, RESULTS
from bench.host.pages import rendering
from bench.host.pages import warm_up as pages
from bench.host.results import kinds, store


@click.command("warmup")
@click.argument("run_folder", metavar="[RUN]", default="latest", type=click.Path(path_type=pathlib.Path))
@RESULTS
@FORMAT
def command(run_folder: pathlib.Path, folder: pathlib.Path, style: str) -> int:
    """Show when each engine reaches its steady speed on each runtime, and its speedup before and after.

    RUN is a folder, or the name of one under results/; the default is the latest of microgpt-bench run. It needs 20 steps
    or more.
    """
    run = store.load(kinds.find(run_folder, folder))
    tables = pages.tables(run, reading.warmup(run))
    click.echo(rendering.render_tables(tables, style))
    return OK if run.good() else FOUND
