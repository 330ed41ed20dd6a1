"""The command ``microgpt-bench run``."""

from __future__ import annotations

import pathlib
from typing import Any

import click

from bench.cli.ending import FOUND, OK
from bench.cli.options import BASE, FORMAT, RESULTS, given, measuring_options, request_from
from bench.cli.values import Whole
from bench.host.measure import lockstep
from bench.host.measure.session import Session, now
from bench.host.pages import rendering, run_tables
from bench.host.results import kinds, store
from bench.host.results.records import LEAD_IN
from bench.host.system.errors import UsageError


@click.command("run")
@measuring_options("all", "every CPython 3.10 to 3.15 found", 5, "5m")
@RESULTS
@click.option("--name", help="Name of the run's folder.  [default: date and time]")
@click.option(
    "--resume",
    type=click.Path(path_type=pathlib.Path),
    metavar="RUN",
    help="Continue an interrupted run, with its own options.",
)
@click.option(
    "--from-start",
    is_flag=True,
    help="Time the first steps of the training run, not steps spread over it.",
)
@click.option(
    "--lead-in",
    type=Whole(0),
    default=LEAD_IN,
    show_default=True,
    help="First steps of the training run that each process trains untimed, so that its memory is like a long run's.",
)
@FORMAT
@BASE
def command(
    data: str,
    folder: pathlib.Path,
    name: str | None,
    resume: pathlib.Path | None,
    from_start: bool,
    lead_in: int,
    style: str,
    base: str | None,
    **options: Any,
) -> int:
    """Measure engines on runtimes in lockstep and print the tables."""
    store.check_name(name)
    if from_start and given("lead_in"):
        raise UsageError(
            "--lead-in is for steps spread over the training run, --from-start for its first: give one of them"
        )
    with Session() as session:
        if resume is not None:
            measured = lockstep.resume(session, kinds.find(resume, folder))
        else:
            request = request_from(data, options, base=base, spread=not from_start, lead_in=lead_in)
            measured = lockstep.run(session, request, folder / (name or now()))
    rendering.keep(measured.folder, run_tables.render(measured, "github", base))
    click.echo(run_tables.render(measured, style, base))
    click.echo(f"saved in {measured.folder}", err=True)
    return OK if measured.good() else FOUND
