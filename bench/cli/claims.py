"""The command ``microgpt-bench claims``."""

from __future__ import annotations

import pathlib

import click

from bench.cli import targets
from bench.cli.ending import OK
from bench.cli.options import RESULTS
from bench.host.measure import experiments
from bench.host.pages import claims
from bench.host.results import kinds, peers, store
from bench.host.results.records import SCHEMA, ClaimsRecord
from bench.host.system.progress import RunProgress
from bench.host.system.workspace import Workspace


@click.command("claims")
@click.argument("run_folder", metavar="RUN", type=click.Path(path_type=pathlib.Path))
@click.option(
    "--peers",
    "ports",
    type=click.Path(path_type=pathlib.Path),
    metavar="RUN",
    help="A run that peers made, for the claims about other languages.",
)
@click.option("--again", is_flag=True, help="Repeat the experiments, even if the run has their results.")
@click.option("--output", type=targets.Target(), help="Page to write.  [default: claims.md beside the run]")
@RESULTS
def command(
    run_folder: pathlib.Path, ports: pathlib.Path | None, again: bool, output: pathlib.Path | None, folder: pathlib.Path
) -> int:
    """Write the page that compares others' claims with a run and with experiments on its runtimes."""
    run = store.load(kinds.find(run_folder, folder))
    beside = None if ports is None else peers.load(kinds.find(ports, folder, ["peers"]))
    path = output or run.folder.parent / "claims.md"
    targets.check(path)
    claims.page(run, ClaimsRecord(SCHEMA, {}), beside)  # can it be written?
    with Workspace() as workspace, RunProgress(len(run.record.runtimes)) as progress:
        workspace.lock(run.folder)
        record = experiments.measure(run, again, progress)
    targets.write(path, claims.page(run, record, beside))
    click.echo(f"written to {path}")
    return OK
