"""The command ``microgpt-bench count``."""

from __future__ import annotations

import pathlib

import click

from bench.cli.ending import FOUND, OK
from bench.cli.options import FORMAT, RESULTS
from bench.cli.values import Seconds
from bench.host.measure import counters
from bench.host.measure.session import Session
from bench.host.pages import run_tables
from bench.host.results import kinds


@click.command("count")
@click.argument("run_folder", metavar="[RUN]", default="latest", type=click.Path(path_type=pathlib.Path))
@click.option(
    "--engine", "engine_names", multiple=True, metavar="NAME", help="Engine of the run; repeatable.  [default: all]"
)
@click.option(
    "--python", "pythons", multiple=True, metavar="RUNTIME", help="Runtime of the run; repeatable.  [default: all]"
)
@click.option("--timeout", type=Seconds(), default="5m", show_default=True, help="Time limit of a counting process.")
@RESULTS
@FORMAT
def command(
    run_folder: pathlib.Path,
    engine_names: tuple[str, ...],
    pythons: tuple[str, ...],
    timeout: float,
    folder: pathlib.Path,
    style: str,
) -> int:
    """Add exact counters to a run: instructions, nodes, memory and garbage collection per step.

    RUN is a folder, or the name of one under results/; the default is the latest of microgpt-bench run. Its timings
    stay as they are.
    """
    path = kinds.find(run_folder, folder)
    with Session() as session:
        measured, good = counters.run(session, path, engine_names, pythons, timeout)
    click.echo(run_tables.render_counters(measured, style))
    click.echo(f"saved in {measured.folder}", err=True)
    return OK if good else FOUND
