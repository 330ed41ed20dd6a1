"""The command ``microgpt-bench report``."""

from __future__ import annotations

import pathlib

import click

from bench.api import reading
from bench.cli import targets
from bench.cli.ending import FOUND, OK
from bench.cli.options import OVER, RESULTS
from bench.host.system.errors import UsageError


@click.command("report")
@click.argument("run", metavar="[RUN]", default="latest", type=click.Path(path_type=pathlib.Path))
@click.option("--output", type=targets.Target(), help="File to write.  [default: report.html in the run's folder]")
@click.option(
    "--plots", type=click.Path(path_type=pathlib.Path), metavar="FOLDER", help="Also write every chart as a file."
)
@click.option("--plot", "charts", multiple=True, metavar="CHART", help="Write this chart only; repeatable.")
@click.option(
    "--plot-format",
    type=click.Choice(["svg", "png"]),
    default="svg",
    show_default=True,
    help="Format of the charts' files.",
)
@OVER
@RESULTS
def command(
    run: pathlib.Path,
    output: pathlib.Path | None,
    plots: pathlib.Path | None,
    charts: tuple[str, ...],
    plot_format: str,
    over: str | None,
    results: pathlib.Path,
) -> int:
    """Write a run as one HTML file, which needs no other file and no network.

    RUN is a folder, or the name of one under results/; the default is the latest of run, check or peers.
    """
    measured = reading.load_run(run, kinds=["run", "check", "peers"], results=results)
    path = output or measured.folder / "report.html"
    targets.check(path)
    if charts and plots is None:
        raise UsageError("--plot needs --plots FOLDER, where the charts are written: give both")
    targets.write(path, reading.report(measured, over=over))
    click.echo(f"written to {'standard output' if path == targets.DASH else path}")
    if plots is not None:
        for plotted in reading.plots(measured, plots, charts, style=plot_format, over=over):
            click.echo(f"written to {plotted}")
    return OK if reading.is_good(measured) else FOUND
