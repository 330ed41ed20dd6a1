"""The command ``microgpt-bench history``."""

from __future__ import annotations

import pathlib

import click

from bench.api import reading
from bench.api.tables import render
from bench.cli import targets
from bench.cli.ending import OK
from bench.cli.options import FORMAT, RESULTS, given
from bench.host.pages import history, history_chart


@click.command("history")
@click.option(
    "--ratio",
    "ratios",
    multiple=True,
    default=history.HEADLINES,
    show_default=True,
    metavar="ENGINE[/BASE]",
    help="Ratio to follow: the speedup of ENGINE over BASE, by default the reference; also of programs in runs of peers; repeatable.",
)
@click.option("--python", metavar="RUNTIME", help="Runtime to follow it on.  [default: the newest of each run]")
@click.option("--plot", type=targets.Target(), metavar="FILE", help="Also plot the ratios: .svg, .png or .html.")
@FORMAT
@RESULTS
def command(
    ratios: tuple[str, ...], python: str | None, plot: pathlib.Path | None, style: str, results: pathlib.Path
) -> int:
    """List the runs on disk with chosen ratios, and the runs at which a ratio changed."""
    if plot is not None:
        history_chart.check_plot(plot)
        targets.check(plot)
    chosen = list(ratios) if given("ratios") else None
    followed = reading.history(chosen, python, results=results)
    click.echo(render(followed, style))
    if plot is not None:
        followed.plot(plot)
        click.echo(f"written to {plot}", err=True)
    return OK
