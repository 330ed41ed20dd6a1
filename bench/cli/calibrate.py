"""The command ``microgpt-bench calibrate``."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import sys

import click

from bench.cli.ending import INTERRUPTED, OK
from bench.cli.options import (
    FORMAT,
    RESULTS,
    Finite,
    Seconds,
    Whole,
)
from bench.host import calibrate as calibrating
from bench.host import (
    engine_files,
    interpreters,
    results,
    setup,
    tables,
)
from bench.host import revision as revisions
from bench.host.deadline import Deadline
from bench.host.errors import UsageError
from bench.host.progress import RunProgress
from bench.host.results import PlanRecord
from bench.host.verdict import Gate
from bench.host.workspace import Workspace
from bench.workload.config import Config
from bench.workload.data import DEFAULT
from bench.workload.model_file import write_atomically


@click.command("calibrate")
@click.option("--engine", default="combined", show_default=True, metavar="NAME|FILE.py", help="Engine to try it with.")
@click.option("--python", metavar="[NAME=]VERSION|PATH", help="Runtime.  [default: the newest CPython found]")
@click.option("--equal", type=Whole(0), default=24, show_default=True, help="Trials of two equal copies.")
@click.option(
    "--slowdown",
    "slowdowns",
    multiple=True,
    metavar="SHARE[:TIMES]",
    default=("0.05", "0.02:4"),
    show_default=True,
    help="Injected into a copy, as a share of a step, to be found in so many times the budget; repeatable.",
)
@click.option("--trials", type=Whole(0), default=8, show_default=True, help="Trials of each slowdown.")
@click.option("--counts", type=Whole(0), default=0, show_default=True, help="Comparisons of instruction counts, too.")
@click.option("--more", type=Finite(0, 1, min_open=True), default=0.005, show_default=True, help="Put in, in those.")
@click.option("--burn", is_flag=True, help="Keep another core busy during half of the trials.")
@click.option("--add", is_flag=True, help="Add to this machine's calibration of the same engine and build.")
@click.option("--limit", type=Seconds(), default="20m", show_default=True, help="Stop then, with the trials made.")
@click.option("--threshold", type=Finite(0), default=0.01, show_default=True, help="The gate's.")
@click.option(
    "--budget",
    type=Seconds(),
    default="25s",
    show_default=True,
    help="Of a trial: about what one engine has in a check of all.",
)
@RESULTS
@FORMAT
def command(
    engine: str,
    python: str | None,
    equal: int,
    slowdowns: tuple[str, ...],
    trials: int,
    counts: int,
    more: float,
    burn: bool,
    add: bool,
    limit: float,
    threshold: float,
    budget: float,
    folder: pathlib.Path,
    style: str,
) -> int:
    """Measure what this machine can see: the gate's false alarms, and the smallest slowdown that it finds."""
    gate = Gate(threshold)
    with Workspace() as workspace:
        request = setup.Request(
            data=DEFAULT,
            config=Config(),
            engine_names=[engine],
            pythons=[interpreters.newest() if python is None else python],
            measuring=PlanRecord(6, 0, 0.02, 60.0, budget, "on", order_seed=0, clock="cpu"),
            base=None,
            command=["microgpt-bench", *sys.argv[1:]],
        )
        plan, record, _ = setup.prepare(request, workspace.folder)
        plan = dataclasses.replace(plan, deadline=Deadline.of_command(limit))
        (row,) = engine_files.rows([engine])
        copies = min(calibrating.COPIES, max(1, equal // 2))
        wanted = {
            revisions.row_at(row, f"equal{number}"): calibrating.Wanted(0.0, (equal + number) // copies, budget)
            for number in range(copies)
        }
        for share, times in map(_parse_slowdown, slowdowns):
            wanted[revisions.row_at(row, f"{share:.2%}")] = calibrating.Wanted(share, trials, budget * times)
        for copy, want in wanted.items():
            plan.engines[copy] = dataclasses.replace(plan.engines[row], slowdown=want.slowdown)
        measured = results.Run(workspace.folder, record, [])  # of these rounds only the trials are kept
        path, runtime = calibrating.path_in(folder), plan.runtimes[0]
        calibrating.make_folder(path)
        workspace.lock(path.parent)

        def state(done: list[calibrating.Trial]) -> calibrating.Calibration:
            return calibrating.Calibration(
                results.SCHEMA,
                record.created,
                record.command,
                row,
                runtime.name,
                runtime.described["build"],
                record.plan.steps,
                budget,
                gate,
                record.machine,
                done,
                counted,
            )

        done: list[calibrating.Trial] = []
        counted: list[calibrating.CountTrial] = []

        if add and path.is_file():
            earlier = calibrating.before(path, state([]))
            done, counted = list(earlier.trials), list(earlier.counts)

        def save(found: list[calibrating.Trial]) -> None:
            calibrating.save(path, state(found))

        def save_counts(found: list[calibrating.CountTrial]) -> None:
            counted[:] = found
            calibrating.save(path, state(done))

        with RunProgress(None) as progress:
            for line in record.notes:
                progress.say(line)
            progress.say(f"{row} on {runtime.name}, into {path}; Ctrl-C keeps what is done")
            status = OK
            try:
                calibrating.measure(plan, measured, row, wanted, burn, gate, progress, save, done)
                if counts:
                    calibrating.measure_counts(plan, row, more, counts, workspace.folder, progress, save_counts)
            except KeyboardInterrupt:
                status = INTERRUPTED
    if not done and not counted:
        raise UsageError("no trial came to its end: give more time with --limit")
    calibration = calibrating.concluded(state(done))
    calibrating.save(path, calibration)
    found = calibrating.table(calibration)
    write_atomically(path.with_suffix(".md"), tables.render_table(found, "github") + "\n")
    if style == "json":
        click.echo(json.dumps(dataclasses.asdict(found), indent=1, ensure_ascii=False))
    else:
        click.echo(tables.render_table(found, style))
    return status


def _parse_slowdown(text: str) -> tuple[float, float]:
    share, _, times = text.partition(":")
    try:
        parsed = float(share), float(times or 1)
    except ValueError:
        parsed = 0.0, 0.0
    if not 0 < parsed[0] <= 10 or not 0 < parsed[1] <= 1000:
        raise UsageError(f"--slowdown {text!r} is not SHARE[:TIMES], as in 0.05 or 0.02:4")
    return parsed
