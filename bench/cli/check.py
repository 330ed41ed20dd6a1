"""The command ``microgpt-bench check``."""

from __future__ import annotations

import dataclasses
import pathlib
import sys
from typing import Any

import click

from bench.cli import ending, targets
from bench.cli.ending import INTERRUPTED
from bench.cli.options import (
    FORMAT,
    RESULTS,
    Finite,
    config_from,
    measuring_options,
    now,
    plan_record,
)
from bench.host import calibrate as calibrating
from bench.host import (
    checking,
    interpreters,
    kinds,
    results,
    setup,
    tables,
    workflow,
)
from bench.host import gate as gating
from bench.host import holds as holding
from bench.host.errors import UsageError
from bench.host.progress import PREPARING, RunProgress
from bench.host.verdict import Gate
from bench.host.workspace import Workspace
from bench.workload.model_file import write_atomically


@click.command("check")
@click.option(
    "--against",
    "revision",
    metavar="REV",
    help="Hold each engine against itself at this git revision, measured in the same rounds.  [default in a workflow:"
    " a pull request's base, the commit before a push]",
)
@click.option(
    "--against-python",
    "base_python",
    metavar="[NAME=]VERSION|PATH",
    help="Hold each engine against itself on this runtime, such as another build: is Python itself slower?",
)
@click.option(
    "--baseline",
    type=click.Path(path_type=pathlib.Path),
    metavar="RUN",
    help="Hold each engine's speed over the reference against what it was in this run.  [default: the committed run]",
)
@measuring_options("all", "the newest CPython found", None, "5m")
@click.option(
    "--threshold",
    type=Finite(0),
    help="Share of a step's time that may be added.  [default: 0.01 against a revision, 0.1 against a run, 0.25"
    " against the committed one]",
)
@click.option(
    "--instructions/--no-instructions",
    default=True,
    show_default=True,
    help="Against a revision, also count the instructions of what was changed, under Valgrind, after the timing: 30 %"
    " of the time is kept for it.",
)
@click.option(
    "--hold",
    "held_options",
    multiple=True,
    metavar="NAME=SHARE|off",
    help="What is held beside time, and how much may be added: memory, nodes, start-up, samples, waiting; repeatable."
    "  [default: memory 0.1, nodes 0.01, start-up 0.25, samples 0.05, waiting 0.02]",
)
@click.option("--strict", is_flag=True, help="Exit with 3 where a cell could not be decided.")
@click.option("--anyway", is_flag=True, help="Against a run of another machine or build too; the table says so.")
@click.option(
    "--inject",
    "injected",
    multiple=True,
    metavar="ENGINE=SHARE",
    help="Slow an engine down, as in combined=0.05, to see the gate find it; repeatable.",
)
@click.option("--junit-xml", "junit", type=targets.Target(), metavar="FILE", help="For CI servers.")
@click.option("--json", "json_file", type=targets.Target(), metavar="FILE", help="For programs.")
@RESULTS
@click.option("--name", help="Of the run's folder.  [default: check- with date and time]")
@FORMAT
def command(
    revision: str | None,
    base_python: str | None,
    baseline: pathlib.Path | None,
    threshold: float | None,
    instructions: bool,
    held_options: tuple[str, ...],
    strict: bool,
    anyway: bool,
    injected: tuple[str, ...],
    junit: pathlib.Path | None,
    json_file: pathlib.Path | None,
    folder: pathlib.Path,
    name: str | None,
    style: str,
    data: str,
    **options: Any,
) -> int:
    """The gate: has an engine become slower, or wrong?

    Exit status: 0 no, 1 a regression or a divergence, 2 bad input or nothing measured, 3 undecided and --strict,
    70 an error of microgpt-bench itself, 130 interrupted.
    """
    results.check_name(name)
    for path in (junit, json_file):
        if path is not None:
            targets.check(path)
    if sum(way is not None for way in (revision, base_python, baseline)) > 1:
        raise UsageError("--against, --against-python and --baseline each say what to hold against: give one of them")
    if revision is None and base_python is None and baseline is None:
        revision = workflow.base(options["engine_names"])
    with Workspace() as workspace:
        notes: list[str] = []
        against, held_run, default_threshold = "", None, 0.01
        if not options["pythons"]:
            options["pythons"] = [interpreters.newest()]
        if base_python is not None:
            instructions = False  # of two builds, counts say little
            options["pythons"] = [*options["pythons"], base_python]
        elif revision is None:
            held_run = results.load(checking.CLAIMS if baseline is None else kinds.find(baseline, folder))
            against, default_threshold = held_run.folder.name, 0.25 if baseline is None else 0.1
        gate = Gate(default_threshold if threshold is None else threshold)
        way = "python" if base_python is not None else "run" if held_run is not None else "revision"
        quantities = holding.choose(held_options, way)
        request = setup.Request(
            data=data,
            kind="check",
            config=config_from(options),
            measuring=plan_record(options, 2 * gate.looks[-1]),
            base=None,
            command=["microgpt-bench", *sys.argv[1:]],
            against=revision,
            slowdowns=dict(_parse_injection(text) for text in injected),
            **options,
        )
        with RunProgress(None, doing=PREPARING):
            plan, record, missing = setup.prepare(request, workspace.folder)
        record = dataclasses.replace(record, notes=[*record.notes, *calibrating.note(folder)])
        if base_python is not None:
            against = plan.runtimes[-1].name
            left: list[checking.Row] = []
            helds = checking.against_python(plan, against)
        elif plan.before is not None:
            against = plan.before.label
            helds, left = checking.against_revision(plan, plan.before)
            notes += plan.before.notes
        else:
            assert held_run is not None
            helds, left, guards = checking.against_run(
                plan, record, held_run, anyway or baseline is None, all_builtin=not request.engine_names
            )
            notes += guards
        helds = checking.asked_for(helds, request.engine_names)
        notes += [*record.notes, *(f"injected: {text}" for text in injected)]
        measured = results.create(folder / (name or f"check-{now()}"), record)
        workspace.lock(measured.folder)
        with RunProgress(None) as progress:
            for line in missing:
                progress.say(line)
            progress.say(f"{len(helds)} cell{'s' * (len(helds) != 1)} against {against}, into {measured.folder}")
            try:
                new = [(row.engine, row.runtime) for row in left if row.word == "NEW"]
                counts = instructions and held_run is None
                reserve = gating.COUNT_SHARE if counts and gating.to_count(plan, helds) else 0.0
                judgements = gating.decide(plan, measured, helds, gate, progress, new, quantities, reserve)
                if counts:
                    judgements, not_counted = gating.count_instructions(plan, measured, judgements, progress)
                    notes += not_counted
            except KeyboardInterrupt:
                progress.say(f"interrupted, so no verdict; {len(measured.rounds)} rounds are kept in {measured.folder}")
                return INTERRUPTED
    held_too = checking.held_too(judgements, measured, quantities, gate, held_run)
    found = [*checking.rows(judgements, measured, against, held_too), *checking.new_rows(left, measured)]
    found += checking.held_rows(held_too, against)
    notes = [line for line in notes if line]
    table = checking.table(found, gate, measured, against, notes, strict, quantities)
    text = checking.to_json(found, gate, measured, against, strict, table)
    write_atomically(measured.folder / checking.ANSWER, text)
    unwritten: UsageError | None = None
    try:
        if json_file is not None:
            targets.write(json_file, text)
        if junit is not None:
            targets.write(junit, checking.junit(found, against, strict))
    except OSError as error:
        unwritten = UsageError(f"the verdicts above cannot be written to {error.filename}: {error.strerror}")
    click.echo(text if style == "json" else tables.render_table(table, style))
    if why_not := ending.append_step_summary(tables.render_table(table, "github")):
        click.echo(why_not, err=True)
    if unwritten is not None:
        raise unwritten
    return checking.exit_status(found, strict)


def _parse_injection(text: str) -> tuple[str, float]:
    engine, _, share = text.rpartition("=")
    try:
        slowdown = float(share)
    except ValueError:
        slowdown = -1.0
    if not engine or not 0 <= slowdown <= 10:
        raise UsageError(f"--inject {text!r} is not ENGINE=SHARE, a share of a step's time as in combined=0.05")
    return engine, slowdown
