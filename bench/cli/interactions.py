"""The command ``microgpt-bench interactions``."""

from __future__ import annotations

import os
import pathlib
from typing import Any

import click

from bench.api import combining
from bench.api.tables import render
from bench.cli import targets
from bench.cli.ending import FOUND, OK
from bench.cli.options import FORMAT, RESULTS, arguments, measuring_options
from bench.cli.values import Seconds, Whole
from bench.host.results.switches import SWITCHES


@click.command("interactions")
@click.option(
    "--switch",
    "switches",
    multiple=True,
    type=click.Choice(list(SWITCHES)),
    help="Change to combine with the others; repeatable.  [default: all]",
)
@click.option("--timed", type=Whole(1), help="Combinations to time.  [default: half as many again as needed]")
@click.option(
    "--counting",
    type=Seconds(),
    default="1h",
    show_default=True,
    help="Time limit of the counts; they are kept, and the next such command goes on with them.",
)
@measuring_options(None, "the newest CPython found", 3, "3h")
@RESULTS
@click.option("--name", help="Name of the run's folder.  [default: interactions- with date and time]")
@click.option(
    "--show",
    "shown",
    multiple=True,
    type=click.Path(path_type=pathlib.Path),
    metavar="RUN",
    help="Measure nothing, only make the page of this run; repeatable, a run for each Python.",
)
@click.option("--output", type=targets.Target(), metavar="FILE.md", help="Also write the page.")
@click.option(
    "--plot", type=targets.Target(), metavar="FILE", help="Also draw what two bring together: .svg, .png or .html."
)
@FORMAT
def command(
    shown: tuple[pathlib.Path, ...], output: pathlib.Path | None, plot: pathlib.Path | None, style: str, **options: Any
) -> int:
    """Count every combination of the scalar optimizations, time a balanced part of them, and say what pays together."""
    combining.check_plot(plot)
    for path in filter(None, (output, plot)):
        targets.check(path)
    if shown:
        found = [combining.load_interactions(run, results=options["results"]) for run in shown]
    else:
        found = [combining.interactions(**arguments(options))]
    if output is not None:
        targets.write(output, combining.interactions_page(*found, picture=_beside(plot, output)))
    if plot is not None:
        combining.plot_interactions(found, plot)
    click.echo(render(found, style))
    return OK if all(one.good() for one in found) else FOUND


def _beside(plot: pathlib.Path | None, page: pathlib.Path) -> str | None:
    """The picture's address as the page names it."""
    return None if plot is None else pathlib.Path(os.path.relpath(plot, page.parent)).as_posix()
