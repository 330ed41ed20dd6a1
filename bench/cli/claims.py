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
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=pathlib.Path))
@click.option(
    "--peers",
    multiple=True,
    type=click.Path(path_type=pathlib.Path),
    metavar="RUN",
    help="A run that peers made, for the claims about other programs; repeatable.",
)
@click.option("--again", is_flag=True, help="Repeat the experiments, even if the first run has their results.")
@click.option(
    "--registry",
    type=click.Path(path_type=pathlib.Path),
    metavar="FILE",
    help="A TOML file of claims of your own.  [default: those of the project, bench/host/pages/claims.toml]",
)
@click.option("--output", type=targets.Target(), help="Page to write.  [default: claims.md beside the first run]")
@RESULTS
def command(
    runs: tuple[pathlib.Path, ...],
    peers: tuple[pathlib.Path, ...],
    again: bool,
    registry: pathlib.Path | None,
    output: pathlib.Path | None,
    results: pathlib.Path,
) -> int:
    """Write the page that compares others' claims with runs and with experiments on the first one's runtimes."""
    folders = [kinds.find(run, results) for run in runs]
    path = output or folders[0].parent / "claims.md"
    targets.check(path)
    page = explaining.claims(*folders, peers=peers, again=again, registry=registry, results=results)
    targets.write(path, page)
    click.echo(f"written to {path}")
    return OK
