"""Runs on disk: a folder a run, written after every round, read by everything that reports.

results/RUN/run.json            what was run, on what: a RunRecord
results/RUN/rounds/001.json     one round, never changed once written: a RoundRecord
results/RUN/timings/RUNTIME.json  pyperf's format, one benchmark an engine, one pyperf run a round
results/RUN/counters.json       exact counters of a step, where they were taken: a CountersRecord
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import re
from collections.abc import Callable
from typing import Any, TypeVar

import cattrs

from bench.host.results import checks, round_files, shapes
from bench.host.results.records import SCHEMA, CountersRecord, PlanRecord, RoundRecord, RunRecord
from bench.host.results.run import Run
from bench.host.system.errors import UsageError
from bench.workload.model_file import write_atomically

T = TypeVar("T")


# --------------------------------------------------------------------- writing


def to_json(record: Any, indent: int | None = 1) -> str:
    """A record as it is written."""
    return json.dumps(cattrs.unstructure(record), indent=indent, ensure_ascii=False) + "\n"


def write_json(path: pathlib.Path, record: Any, indent: int | None = 1) -> None:
    """A record as JSON, the whole file or nothing."""
    write_atomically(path, to_json(record, indent))


NAME = re.compile(r"\w[\w .,+=@~#()-]*")
DATED = re.compile(r"([a-z]+-)?\d{8}-\d{6}")  # of a run that was given no name
DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # no folder's name on Windows


def check_name(name: str | None) -> None:
    """Raises UsageError for what can't be the name of a run's folder, or that commands take for something else."""
    if name is None:
        return
    if name == "latest":
        raise UsageError("--name latest is reserved for the latest run: give another name")
    if not NAME.fullmatch(name) or name.endswith((".", " ")) or DEVICES.fullmatch(name) or len(name.encode()) > 200:
        raise UsageError(
            f"--name {name[:40]!r} cannot name a folder on every system: use letters, digits and . , + - = @ _ inside, at most 200"
            " bytes; choose the place with --results"
        )
    if name.lower().endswith(".json"):
        raise UsageError(f"--name {name} looks like a file: leave .json out")


def create(folder: pathlib.Path, record: RunRecord) -> Run:
    """Make the run's folder; of a default name that another run of the same second has, one with -2 and so on.

    Raises UsageError if it is there already or can't be made.
    """
    try:
        folder = _make(folder)
        write_json(folder / "run.json", record)
    except FileExistsError:
        raise UsageError(f"{folder} exists already: give another --name, or go on with --resume {folder}") from None
    except OSError as error:
        raise UsageError(
            f"cannot write results to {folder}: {error.strerror}: choose another --results folder"
        ) from None
    return Run(folder, record, [])


def _make(folder: pathlib.Path) -> pathlib.Path:
    """Make the folder, and give it. Raises OSError."""
    numbers = range(2, 1000) if DATED.fullmatch(folder.name) else ()
    for path in (folder, *(folder.with_name(f"{folder.name}-{number}") for number in numbers)):
        with contextlib.suppress(FileExistsError):
            (path / "rounds").mkdir(parents=True, exist_ok=False)
            return path
    raise FileExistsError(folder)


def update(run: Run, record: RunRecord) -> None:
    """Replace run.json: engines describe themselves, and notes come, while a run goes on.

    Raises UsageError as `add_round` does of a folder that is another run's.
    """
    _keep_apart(run)
    write_json(run.folder / "run.json", record)
    run.record = record


def add_round(run: Run, entry: RoundRecord, hold: bool = True) -> None:
    """Save a finished round, in a file that is never replaced. ``hold``: in memory too, or only that it is there.

    Raises UsageError where earlier rounds' files are not as they were, or this one's is there already, or the folder is
    another run's by now; all that is known of is on disk then.
    """
    _keep_apart(run, entry)
    trouble = _look_after_rounds(run)
    path, content = round_files.path_of(run.folder, entry.number), to_json(entry)
    try:
        round_files.write_new(path, content)
    except FileExistsError:
        other = path.with_name(f"{path.stem}-of-process-{os.getpid()}.json")
        write_json(other, entry)
        trouble.append(f"{path.name} exists already, so round {entry.number} was saved as {other.name}")
    else:
        run.watch.written(entry.number, content)
        run.rounds.append(entry if hold else without_cells(entry))
    if trouble:
        raise UsageError(
            f"another program writes into {run.folder / 'rounds'} while the run is measured: {'; '.join(trouble)}."
            f" Stop it, then continue with: microgpt-bench run --resume {run.folder}"
        )


def without_cells(entry: RoundRecord) -> RoundRecord:
    """What is held of a round that is on disk, where there are many."""
    return dataclasses.replace(entry, cells={})


def _keep_apart(run: Run, *new: RoundRecord) -> None:
    """Where the folder was removed and another run has made it again: write this one beside it, and raise UsageError."""
    try:
        there = read(run.folder / "run.json", RunRecord, lambda _: None)
    except UsageError:  # missing or damaged: it is written again
        return
    if (there.created, there.command) == (run.record.created, run.record.command):
        return
    beside = create(run.folder.with_name(f"{run.folder.name}-of-process-{os.getpid()}"), run.record)
    held = [entry for entry in (*run.rounds, *new) if entry.cells]
    for number, entry in enumerate(held, 1):
        planned = entry.planned or entry.number
        add_round(beside, dataclasses.replace(entry, number=number, planned=None if planned == number else planned))
    raise UsageError(
        f"{run.folder} is another run's by now: this one was kept as {beside.folder};"
        f" continue with: microgpt-bench run --resume {beside.folder}"
    )


def _look_after_rounds(run: Run) -> list[str]:
    """Write again what is missing of a run that goes on, and say so; say also which rounds were changed."""
    if not (run.folder / "run.json").is_file() or not (run.folder / "rounds").is_dir():
        (run.folder / "rounds").mkdir(parents=True, exist_ok=True)
        write_json(run.folder / "run.json", run.record)
    missing, touched = run.watch.look()
    if not missing and not touched:
        return []
    changes, known = [], {entry.number: entry for entry in run.rounds}
    for number in missing:
        path = round_files.path_of(run.folder, number)
        if not known[number].cells:
            changes.append(f"{path.name} was removed: restore it")
            continue
        round_files.write_new(path, to_json(known[number]))
        run.watch.written(number)
        changes.append(f"{path.name} was removed, and was written again from memory")
    for number in touched:
        path = round_files.path_of(run.folder, number)
        if not known[number].cells:
            if not run.watch.same(number):
                changes.append(f"{path.name} was changed, and was left so: restore it")
            continue
        try:
            # through the reader both: a whole number may stand where it makes a float
            there, ours = read(path, RoundRecord), json.loads(to_json(known[number]))
            same = to_json(there) == to_json(_converter.structure(ours, RoundRecord))
        except UsageError:
            same = False
        if not same:
            changes.append(f"{path.name} was changed, and was left so: restore it")
    return changes


def save_counters(run: Run, counters: CountersRecord) -> None:
    """Write counters.json, or replace it: counters are added a cell at a time, any time after the run."""
    try:
        write_json(run.folder / "counters.json", counters)
    except OSError as error:
        raise UsageError(f"cannot write to {run.folder}: {error.strerror}") from None
    run.counters = counters


# --------------------------------------------------------------------- reading


_converter = shapes.converter()
_CHECKS: dict[type, Callable[[Any], None]] = {
    RunRecord: checks.check_run,
    RoundRecord: checks.check_round,
    CountersRecord: checks.check_counters,
}


def read(path: pathlib.Path, kind: type[T], check: Callable[[T], None] | None = None) -> T:
    """A record of this kind, after ``check``. Raises UsageError for a missing, damaged or too new file."""
    try:
        raw = shapes.parse(path)
        if not isinstance(raw, dict):
            raise ValueError("it holds no table")
        schema = raw["schema"]
        if isinstance(schema, int) and schema > SCHEMA:
            raise UsageError(
                f"{path} has schema {schema}, from a newer microgpt-bench; this one reads up to {SCHEMA}: upgrade it"
            )
        record: T = _converter.structure(raw, kind)
        (check or _CHECKS.get(kind, lambda _: None))(record)
        return record
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except UsageError:
        raise
    except Exception as error:  # whatever is wrong with the file, cattrs and json have many words for it
        raise damaged(path, error) from None


def check_arrived(entry: RoundRecord, plan: PlanRecord) -> None:
    """A round that another machine measured, before it is kept. Raises UsageError for what no file may hold."""
    try:
        again: RoundRecord = _converter.structure(json.loads(to_json(entry)), RoundRecord)
        checks.check_round(again)
        checks.check_round_of(again, plan)
    except Exception as error:
        raise UsageError(f"a round that arrived is damaged ({shapes.reason(error)})") from None


def damaged(path: pathlib.Path, error: BaseException) -> UsageError:
    """What is said of a file that holds what it can't."""
    return UsageError(f"{path} is damaged ({shapes.reason(error)}): restore it or measure again")


def load(folder: pathlib.Path) -> Run:
    """Read a run with its rounds. Raises UsageError for a missing, damaged or too new one."""
    if not (folder / "run.json").is_file():
        raise UsageError(f"{folder} is not a run: it has no run.json")
    record: RunRecord = read(folder / "run.json", RunRecord)
    rounds: list[RoundRecord] = []
    for expected, number in enumerate(round_files.numbers(folder), 1):
        if number != expected:
            raise UsageError(f"{folder}/rounds lacks round {expected}: restore it or measure again")
        path = round_files.path_of(folder, number)
        entry = read(path, RoundRecord)
        if entry.number != number:
            raise UsageError(f"{path} holds round {entry.number}: restore it or measure again")
        rounds.append(entry)
        try:
            checks.check_round_of(entry, record.plan)
        except ValueError as error:
            raise damaged(path, error) from None
    counters = folder / "counters.json"
    return Run(folder, record, rounds, read(counters, CountersRecord) if counters.exists() else None)
