"""The command ``microgpt-bench explain``."""

from __future__ import annotations

import pathlib

import click

from bench.api import explaining
from bench.cli import targets
from bench.cli.ending import OK
from bench.cli.options import RESULTS, SECONDS
from bench.host.results import kinds


@click.command("explain")
@click.argument("run", metavar="RUN", type=click.Path(path_type=pathlib.Path))
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
    run: pathlib.Path,
    python: str | None,
    seconds: float,
    gc_off: pathlib.Path | None,
    longer: pathlib.Path | None,
    output: pathlib.Path | None,
    results: pathlib.Path,
) -> int:
    """Write the page that explains the engines: what each does, its speedup in a run, and where its time goes."""
    folder = kinds.find(run, results)
    path = output or folder.parent / "engines.md"
    targets.check(path)
    page = explaining.explain(folder, python, seconds=seconds, gc_off=gc_off, longer=longer, results=results)
    targets.write(path, page)
    click.echo(f"written to {path}")
    return OK
