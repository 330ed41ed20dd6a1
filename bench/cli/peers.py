"""The command ``microgpt-bench peers``."""

from __future__ import annotations

import pathlib
import sys
from typing import Any

import click

from bench.cli.ending import FOUND, INTERRUPTED, OK
from bench.cli.options import (
    FORMAT,
    RESULTS,
    config_from,
    given,
    measuring_options,
    now,
    plan_record,
)
from bench.host import (
    interpreters,
    kinds,
    peer_file,
    results,
    setup,
    tables,
)
from bench.host import peers as peering
from bench.host.errors import UsageError
from bench.host.progress import RunProgress
from bench.host.workspace import Workspace
from bench.workload.model_file import write_atomically


@click.command("peers")
@click.argument("file", metavar="[FILE.toml]", required=False, type=click.Path(path_type=pathlib.Path))
@measuring_options("reference", "the newest CPython found", 3, "10m", steps=100)
@RESULTS
@click.option("--name", help="Of the run's folder.  [default: peers- with date and time]")
@click.option("--base", metavar="ROW", help="What speeds are over.  [default: the reference]")
@click.option("--show", "shown", type=click.Path(path_type=pathlib.Path), metavar="RUN", help="Only print its table.")
@FORMAT
def command(
    file: pathlib.Path | None,
    data: str,
    folder: pathlib.Path,
    name: str | None,
    base: str | None,
    shown: pathlib.Path | None,
    style: str,
    **options: Any,
) -> int:
    """Time other programs beside the engines, and check every loss that they print.

    FILE names the programs; examples/peers.toml shows how. Engines use the random numbers of the first one.
    """
    if (file is None) == (shown is None):
        raise UsageError("give a FILE that names programs, or --show RUN for the table of a run on disk")
    if shown is not None:
        measured, found = peering.load(kinds.find(shown, folder, ["peers"]))
    else:
        assert file is not None
        results.check_name(name)
        programs = peer_file.read_file(file)
        options["engine_names"] = options["engine_names"] or ["reference"]
        options["pythons"] = options["pythons"] or [interpreters.newest()]
        if not given("rng"):
            options["rng"], options["gaussian"] = programs[0].rng, programs[0].gaussian
        if options["steps"] < 2:
            raise UsageError("--steps 1: the time of a step is the time between two lines, so give at least 2")
        config = config_from(options)
        with Workspace() as workspace:
            request = setup.Request(
                data=data,
                config=config,
                kind="peers",
                measuring=plan_record(options, 1),
                base=None,
                command=["microgpt-bench", *sys.argv[1:]],
                **options,
            )
            plan, record, _ = setup.prepare(request, workspace.folder)
            peering.check_rows(plan.cells, programs, base)
            measured = results.create(folder / (name or f"peers-{now()}"), record)
            workspace.lock(measured.folder)
            with RunProgress(None) as progress:
                progress.say(f"{len(programs)} programs and {len(plan.cells)} cells, into {measured.folder}")
                try:
                    found = peering.measure(plan, measured, programs, file.parent, config, progress)
                except KeyboardInterrupt:
                    progress.say(f"interrupted: {len(measured.rounds)} rounds are kept in {measured.folder}")
                    return INTERRUPTED
        write_atomically(
            measured.folder / "tables.md", tables.render_table(peering.table(measured, found, base), "github") + "\n"
        )
    if style == "json":
        click.echo(peering.to_json(measured, found))
    else:
        click.echo(tables.render_table(peering.table(measured, found, base), style))
    return OK if peering.good(measured, found) else FOUND
