"""The command ``microgpt-bench breakdown``."""

from __future__ import annotations

import pathlib
from typing import Any

import click

from bench.api import explaining, reading
from bench.cli import targets
from bench.cli.ending import OK
from bench.cli.options import RESULTS
from bench.cli.values import Seconds
from bench.host.pages.breakdown_charts import breakdowns
from bench.host.results import kinds


@click.command("breakdown")
@click.argument("run", metavar="[RUN]", default="latest", type=click.Path(path_type=pathlib.Path))
@click.option(
    "--engine",
    "engines",
    multiple=True,
    metavar="NAME",
    help="Engine of the run; repeatable.  [default: built-in ones]",
)
@click.option(
    "--python", "runtimes", multiple=True, metavar="RUNTIME", help="Runtime of the run; repeatable.  [default: all]"
)
@click.option("--again", is_flag=True, help="Measure anew, even if the run has been broken down before.")
@click.option("--seconds", type=Seconds(), default="10s", show_default=True, help="How long to take samples of a cell.")
@click.option("--timeout", type=Seconds(), default="15m", show_default=True, help="Time limit of a counting process.")
@click.option("--output", type=targets.Target(), help="Page to write.  [default: RUN.md beside the run]")
@RESULTS
def command(run: pathlib.Path, output: pathlib.Path | None, results: pathlib.Path, **options: Any) -> int:
    """Write the page of where the time of a run's steps goes, by what the interpreter does and by phase.

    Cells of the run that lack it are measured first, under Valgrind and by perf; the run's timings stay as they are. Needs
    interpreters with symbols: see docs/breakdown.md.
    """
    folder = kinds.find(run, results)
    path = output or folder.parent / f"{folder.name}.md"
    targets.check(path)
    targets.write(path, explaining.breakdown(folder, results=results, **options))
    measured = reading.load_run(folder, results=results)
    pictures = [chart.name for chart in breakdowns(measured)]
    reading.plots(measured, folder / "plots", pictures)
    click.echo(f"written to {path}, and its pictures to {folder / 'plots'}")
    return OK
