"""The command ``microgpt-bench count``."""

from __future__ import annotations

import pathlib

import click

from bench.cli.ending import FOUND, INTERRUPTED, OK
from bench.cli.options import (
    FORMAT,
    RESULTS,
    Seconds,
)
from bench.host import (
    counters,
    kinds,
    results,
    setup,
    tables,
)
from bench.host.errors import UsageError
from bench.host.progress import RunProgress
from bench.host.workspace import Workspace


@click.command("count")
@click.argument("run_folder", metavar="[RUN]", default="latest", type=click.Path(path_type=pathlib.Path))
@click.option(
    "--engine", "engine_names", multiple=True, metavar="NAME", help="Of the run's; repeatable.  [default: all]"
)
@click.option("--python", "pythons", multiple=True, metavar="RUNTIME", help="Of the run's; repeatable.  [default: all]")
@click.option("--timeout", type=Seconds(), default="5m", show_default=True, help="For one process that counts.")
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
    """Add exact counters to a run: instructions, nodes, memory and the collector's share of a step.

    RUN is a folder, the name of one under results/, or the latest that run made. Its timings stay as they are.
    """
    found = kinds.find(run_folder, folder)
    with Workspace() as workspace:
        workspace.lock(found)
        cells = counters.restrict(results.load(found), engine_names, pythons)
        if not cells:
            raise UsageError(f"nothing to count in {found}: no such cell measured and agreed")
        plan, measured = setup.resume(found, workspace.folder, {runtime for _, runtime in cells})
        with RunProgress(counters.ORDERS * len(cells)) as progress:
            try:
                good = counters.count(plan, measured, cells, progress, timeout)
            except KeyboardInterrupt:
                progress.say(f"interrupted: the cells counted so far are kept in {found}")
                return INTERRUPTED
    click.echo(tables.render_counters(measured, style))
    click.echo(f"kept in {measured.folder}", err=True)
    return OK if good else FOUND
