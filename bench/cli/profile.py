"""The command ``microgpt-bench profile``."""

from __future__ import annotations

import json
import pathlib

import click

import engines
from bench.cli import targets
from bench.cli.ending import OK
from bench.cli.options import FORMAT, SECONDS
from bench.cli.workload_options import config_from, workload_options
from bench.host.measure import engine_files, prepare
from bench.host.measure import profiler as profiling
from bench.host.pages import rendering
from bench.host.results.table import Table
from bench.host.system import datasets, interpreters
from bench.host.system.errors import UsageError
from bench.host.system.workspace import Workspace
from bench.workload.data import read_documents


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
    type=click.Choice(profiling.PROFILERS),
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
    config = config_from(sizes)
    engines.load(engine)
    path = output or pathlib.Path(f"{pathlib.Path(engine).stem}{profiling.suffix(profiler)}")
    if path.suffix != profiling.suffix(profiler):  # a browser goes by it
        raise UsageError(f"{path}: the flame graph of {profiler} is a file that ends in {profiling.suffix(profiler)}")
    targets.check(path)
    (runtime,), _ = prepare.find_runtimes([interpreters.newest() if python is None else python])
    (what,) = engine_files.rows([engine]).values()
    documents = datasets.locate(data).resolve()
    read_documents(documents)  # can it be trained on?
    with Workspace() as workspace:  # both are of one state of the engine
        loads = prepare.take(what, interpreters.ROOT, workspace.folder / "files").subject.loads
        subject = profiling.Subject(runtime, interpreters.ROOT, loads, documents, config.record(), seconds)
        found = profiling.top_functions(subject, profiler)
        profiling.flame_graph(path.resolve(), subject, profiler)
    rows = [[function, f"{share:.1%}"] for function, share in found[:15]]
    title = f"{engine} on {runtime.name}: own time of functions"
    table = Table(title, [], ["function", "share"], rows, [f"flame graph: {path}"])
    click.echo(json.dumps(found, indent=1) if style == "json" else rendering.render_table(table, style))
    return OK
