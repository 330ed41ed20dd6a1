"""The command ``microgpt-bench profile``."""

from __future__ import annotations

import pathlib

import click

from bench.api import explaining
from bench.api.tables import render
from bench.cli import targets
from bench.cli.ending import OK
from bench.cli.options import FORMAT, SECONDS
from bench.cli.workload_options import config_from, workload_options
from bench.host.measure.profiler import PROFILERS, graph_path


@click.command("profile")
@click.argument("engine", metavar="NAME|FILE.py")
@click.option(
    "--python", metavar="[NAME=]VERSION|PATH", help="Python to profile on.  [default: the newest CPython found]"
)
@workload_options
@SECONDS
@click.option("--output", type=targets.Target(), help="Flame graph to write.  [default: ENGINE.svg]")
@click.option(
    "--profiler",
    type=click.Choice(PROFILERS),
    default="py-spy",
    show_default=True,
    help="py-spy, or the interpreter's own profiler (CPython 3.15 and newer), which also shows garbage collection and"
    " writes ENGINE.html.",
)
@FORMAT
def command(
    engine: str,
    python: str | None,
    data: str,
    seconds: float,
    output: pathlib.Path | None,
    profiler: str,
    style: str,
    **sizes: int,
) -> int:
    """Profile an engine: print its top functions and write a flame graph that opens in a browser."""
    path = graph_path(engine, output, profiler)
    targets.check(path)
    config = config_from(sizes)
    profile = explaining.profile(
        engine, python, data=data, config=config, seconds=seconds, output=path, profiler=profiler
    )
    click.echo(render(profile, style))
    return OK
