"""The command ``microgpt-bench explain``."""

from __future__ import annotations

import pathlib

import click

from bench.cli import targets
from bench.cli.ending import OK
from bench.cli.options import RESULTS, SECONDS
from bench.host.measure import profiler as profiling
from bench.host.measure.arithmetic import arithmetic
from bench.host.pages import explain as explaining
from bench.host.results import kinds, store
from bench.host.system.errors import UsageError


@click.command("explain")
@click.argument("run_folder", metavar="RUN", type=click.Path(path_type=pathlib.Path))
@click.option("--python", metavar="RUNTIME", help="Runtime of the run to profile on.  [default: its newest CPython]")
@SECONDS
@click.option(
    "--gc-off", type=click.Path(path_type=pathlib.Path), metavar="RUN", help="A run with --gc off, to compare with."
)
@click.option(
    "--long",
    "longer",
    type=click.Path(path_type=pathlib.Path),
    metavar="RUN",
    help="A run of many steps, to compare with.",
)
@click.option("--output", type=targets.Target(), help="Page to write.  [default: engines.md beside the run]")
@RESULTS
def command(
    run_folder: pathlib.Path,
    python: str | None,
    seconds: float,
    gc_off: pathlib.Path | None,
    longer: pathlib.Path | None,
    output: pathlib.Path | None,
    folder: pathlib.Path,
) -> int:
    """Write the page that explains the engines: what each does, its speedup in a run, and where its time goes."""
    run = store.load(kinds.find(run_folder, folder))
    off, long = (None if other is None else store.load(kinds.find(other, folder)) for other in (gc_off, longer))
    path = output or run.folder.parent / "engines.md"
    targets.check(path)
    names = list(run.record.runtimes)
    name = python or names[-1]
    if name not in names:
        raise UsageError(f"{run.folder.name} has no runtime {name}: choose from {', '.join(names)}")
    profiles = profiling.of_run(run, name, seconds)
    targets.write(path, explaining.page(run, profiles, name, arithmetic(run), off, long))
    click.echo(f"written to {path}")
    return OK
