"""The command ``microgpt-bench threads``."""

from __future__ import annotations

import pathlib
from typing import Any

import click

from bench.api import measuring, reading
from bench.api.tables import render
from bench.cli.ending import FOUND, OK
from bench.cli.options import FORMAT, RESULTS, arguments, measuring_options
from bench.cli.values import Numbers
from bench.host.results.threads import ENGINES


@click.command("threads")
@click.option("--threads", type=Numbers(), default="1,2,4", show_default=True, help="How many models at a time.")
@click.option(
    "--one-import", is_flag=True, help="Threads share one import of the engine's file, and what it keeps there."
)
@measuring_options(", ".join(ENGINES), "the newest CPython found", 5, "10m", workers=False)
@RESULTS
@click.option("--name", help="Name of the run's folder.  [default: threads- with date and time]")
@click.option(
    "--show", "shown", type=click.Path(path_type=pathlib.Path), metavar="RUN", help="Only print the tables of this run."
)
@FORMAT
def command(results: pathlib.Path, shown: pathlib.Path | None, style: str, **options: Any) -> int:
    """Train several models at the same time, in threads and in processes: how much more gets done, with every loss proven."""
    if shown is not None:
        threads = reading.load_threads(shown, results=results)
    else:
        threads = measuring.threads(results=results, **arguments(options))
    click.echo(render(threads, style))
    return OK if threads.good() else FOUND
