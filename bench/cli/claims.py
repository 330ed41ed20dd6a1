"""The command ``microgpt-bench claims``."""

from __future__ import annotations

import pathlib

import click

from bench.api import explaining
from bench.cli import targets
from bench.cli.ending import OK
from bench.cli.options import RESULTS
from bench.host.results import kinds


@click.command("claims")
@click.argument("run", metavar="RUN", type=click.Path(path_type=pathlib.Path))
@click.option(
    "--peers",
    type=click.Path(path_type=pathlib.Path),
    metavar="RUN",
    help="A run that peers made, for the claims about other languages.",
)
@click.option("--again", is_flag=True, help="Repeat the experiments, even if the run has their results.")
@click.option("--output", type=targets.Target(), help="Page to write.  [default: claims.md beside the run]")
@RESULTS
def command(
    run: pathlib.Path, peers: pathlib.Path | None, again: bool, output: pathlib.Path | None, results: pathlib.Path
) -> int:
    """Write the page that compares others' claims with a run and with experiments on its runtimes."""
    folder = kinds.find(run, results)
    path = output or folder.parent / "claims.md"
    targets.check(path)
    targets.write(path, explaining.claims(folder, peers=peers, again=again, results=results))
    click.echo(f"written to {path}")
    return OK
