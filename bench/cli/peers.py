"""The command ``microgpt-bench peers``."""

from __future__ import annotations

import pathlib
from typing import Any

import click

from bench.api import measuring, reading
from bench.api.tables import render
from bench.cli.ending import FOUND, OK
from bench.cli.options import FORMAT, RESULTS, arguments, given, measuring_options
from bench.host.system.errors import UsageError


@click.command("peers")
@click.argument("file", metavar="[FILE.toml]", required=False, type=click.Path(path_type=pathlib.Path))
@measuring_options("reference", "the newest CPython found", 3, "10m", steps=100)
@RESULTS
@click.option("--name", help="Name of the run's folder.  [default: peers- with date and time]")
@click.option(
    "--oracle",
    metavar="NAME|FILE.py",
    help="Engine that stands in for the slow reference, after the same bits over a few steps.",
)
@click.option(
    "--base", metavar="ROW", help="Row that speedups are relative to.  [default: the reference, or its oracle]"
)
@click.option(
    "--show", "shown", type=click.Path(path_type=pathlib.Path), metavar="RUN", help="Only print the table of this run."
)
@FORMAT
def command(
    file: pathlib.Path | None,
    results: pathlib.Path,
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
    if file is None:
        peers = reading.load_peers(shown or "latest", results=results)
    else:
        peers = measuring.peers(file, base=base, results=results, own_rng=given("rng"), **arguments(options))
    click.echo(render(peers, style, base))
    return OK if peers.good() else FOUND
