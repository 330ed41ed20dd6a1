"""The command ``microgpt-bench bisect``."""

from __future__ import annotations

from typing import Any

import click

from bench.api import gating
from bench.api.tables import render
from bench.cli.ending import FOUND, OK
from bench.cli.options import FORMAT, RESULTS, command_words
from bench.cli.values import Finite, Seconds


@click.command("bisect")
@click.argument("good", metavar="GOOD")
@click.argument("bad", metavar="[BAD]", default="HEAD")
@click.option(
    "--engine", default="combined", show_default=True, metavar="NAME|FILE.py", help="Engine whose speed changed."
)
@click.option(
    "--python",
    metavar="[NAME=]VERSION|PATH",
    help="Python to measure on, between commits.  [default: the newest CPython found]",
)
@click.option(
    "--budget", type=Seconds(), default="2m", show_default=True, help="Time limit of each step of the search."
)
@click.option(
    "--threshold",
    type=Finite(0),
    default=0.01,
    show_default=True,
    help="Smallest change to look for, as a share of a step.",
)
@RESULTS
@FORMAT
def command(style: str, **options: Any) -> int:
    """Find the commit, or the build of Python, that changed an engine's speed, by the gate's verdict at each step.

    GOOD and BAD are revisions of the engine's repository, BAD the one that is checked out; or two of a folder's builds of
    Python, which are in the order of their names. Exit status: 0 found, 1 no change between the two, or not every step decided.
    """
    found = gating.bisect(command=command_words(), **options)
    click.echo(render(found, style))
    return OK if found.first and found.sure else FOUND
