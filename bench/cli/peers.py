"""The command ``microgpt-bench peers``."""

from __future__ import annotations

import pathlib
from typing import Any

import click

from bench.cli.ending import FOUND, OK
from bench.cli.options import FORMAT, RESULTS, given, measuring_options, request_from
from bench.host.measure import peer_file
from bench.host.measure import peers as peering
from bench.host.measure.session import Session, now
from bench.host.pages import peers as pages
from bench.host.pages import rendering
from bench.host.results import kinds, store
from bench.host.results import peers as records
from bench.host.system import interpreters
from bench.host.system.errors import UsageError


@click.command("peers")
@click.argument("file", metavar="[FILE.toml]", required=False, type=click.Path(path_type=pathlib.Path))
@measuring_options("reference", "the newest CPython found", 3, "10m", steps=100)
@RESULTS
@click.option("--name", help="Name of the run's folder.  [default: peers- with date and time]")
@click.option("--base", metavar="ROW", help="Row that speedups are relative to.  [default: the reference]")
@click.option(
    "--show", "shown", type=click.Path(path_type=pathlib.Path), metavar="RUN", help="Only print the table of this run."
)
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
    """Time other programs together with the engines, and check every loss that they print.

    FILE names the programs; examples/peers.toml shows how. Engines use the random numbers of the first program.
    """
    if (file is None) == (shown is None):
        raise UsageError("give a FILE that lists programs, or --show RUN to print an earlier table")
    if shown is not None:
        measured, record = records.load(kinds.find(shown, folder, ["peers"]))
    else:
        assert file is not None
        store.check_name(name)
        programs = peer_file.read_file(file)
        options["engine_names"] = options["engine_names"] or ["reference"]
        options["pythons"] = options["pythons"] or [interpreters.newest()]
        if not given("rng"):
            options["rng"], options["gaussian"] = programs[0].rng, programs[0].gaussian
        request = request_from(data, options, kind="peers", base=None)
        with Session() as session:
            record = peering.run(session, request, programs, file.parent, base, folder / (name or f"peers-{now()}"))
        measured = session.run
        rendering.keep(measured.folder, rendering.render_table(pages.table(measured, record, base), "github"))
    if style == "json":
        click.echo(records.to_json(measured, record))
    else:
        click.echo(rendering.render_table(pages.table(measured, record, base), style))
    return OK if records.good(measured, record) else FOUND
