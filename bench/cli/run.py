"""The command ``microgpt-bench run``."""

from __future__ import annotations

import dataclasses
import pathlib
import sys
from typing import Any

import click

from bench.cli.ending import FOUND, INTERRUPTED, OK
from bench.cli.options import (
    BASE,
    FORMAT,
    RESULTS,
    config_from,
    measuring_options,
    now,
    plan_record,
)
from bench.host import calibrate as calibrating
from bench.host import (
    kinds,
    lockstep,
    results,
    setup,
    tables,
)
from bench.host.progress import PREPARING, RunProgress
from bench.host.workspace import Workspace
from bench.workload.model_file import write_atomically


@click.command("run")
@measuring_options("all", "every CPython 3.10 to 3.15 found", 5, "5m")
@RESULTS
@click.option("--name", help="Of the run's folder.  [default: date and time]")
@click.option(
    "--resume",
    type=click.Path(path_type=pathlib.Path),
    metavar="RUN",
    help="Go on with an interrupted run; other options are its own.",
)
@FORMAT
@BASE
def command(
    data: str,
    folder: pathlib.Path,
    name: str | None,
    resume: pathlib.Path | None,
    style: str,
    base: str | None,
    **options: Any,
) -> int:
    """Measure engines on runtimes in lockstep and print the tables."""
    results.check_name(name)
    with Workspace() as workspace:
        if resume is not None:
            found = kinds.find(resume, folder)
            workspace.lock(found)
            plan, measured = setup.resume(found, workspace.folder)
            missing: list[str] = []
        else:
            request = setup.Request(
                data=data,
                config=config_from(options),
                measuring=plan_record(options, 1),
                base=base,
                command=["microgpt-bench", *sys.argv[1:]],
                **options,
            )
            with RunProgress(None, doing=PREPARING):
                plan, record, missing = setup.prepare(request, workspace.folder)
            record = dataclasses.replace(record, notes=[*record.notes, *calibrating.note(folder)])
            measured = results.create(folder / (name or now()), record)
            workspace.lock(measured.folder)
        with RunProgress(plan.orders(len(measured.rounds))) as progress:
            for line in missing:
                progress.say(line)
            progress.say(
                f"{len(plan.engines)} engines on {', '.join(measured.record.runtimes)}, into {measured.folder}"
            )
            try:
                lockstep.measure(plan, measured, progress)
            except KeyboardInterrupt:
                progress.say(
                    f"interrupted: {len(measured.rounds)} of {plan.record.rounds} rounds are kept;"
                    f" go on with: microgpt-bench run --resume {measured.folder}"
                )
                return INTERRUPTED
    write_atomically(measured.folder / "tables.md", tables.render(measured, "github", base) + "\n")
    click.echo(tables.render(measured, style, base))
    click.echo(f"kept in {measured.folder}", err=True)
    return OK if measured.good() else FOUND
