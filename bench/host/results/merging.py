"""Several runs of one plan, or parts of it, as one run: each round with the machine that measured it.

Everything that makes rounds comparable must be the same: what was measured, how, and by which sources. What differs is
refused in a line that names it; nothing is written then.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import os
import pathlib
import tempfile
from collections.abc import Iterable, Sequence

from bench.host.results import store
from bench.host.results.machines import of_round
from bench.host.results.pyperf_format import export_pyperf
from bench.host.results.records import EngineRecord, PlanRecord, RoundRecord, RunRecord
from bench.host.results.run import Run
from bench.host.system.errors import UsageError

# of a plan, and the options that they come from; the rest may differ from machine to machine
PLANNED = {
    "steps": "--steps",
    "at": "the steps of the training run that they time",
    "lead_in": "--lead-in",
    "aged": "the state of memory that processes begin with",
    "turn_seconds": "--min-time",
    "gc": "--gc",
    "clock": "--clock",
}


def merge(folders: Sequence[pathlib.Path], folder: pathlib.Path, command: str, base: str | None = None) -> Run:
    """One run in ``folder`` of those in ``folders``, whole or not at all. Raises UsageError for what doesn't fit.

    ``base``: a runtime that it must have.
    """
    if len(folders) < 2:
        raise UsageError("merge joins two runs or more: give the folders of all")
    runs = [store.load(each) for each in folders]
    first = runs[0]
    for run in runs:
        if not run.rounds:
            raise UsageError(f"{run.folder} has no finished round: leave it out, or go on with --resume {run.folder}")
        _check_alike(first, run)
    _check_parts(runs)
    _check_rounds(runs)
    record = dataclasses.replace(
        first.record,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        command=command,
        plan=_plan(runs),
        runtimes={name: about for run in runs for name, about in run.record.runtimes.items()},
        engines={name: _described(name, runs) for name in first.record.engines},
        notes=[*_notes(runs), *_missing(runs)],
        merged=[run.folder.name for run in runs],
    )
    if base not in (None, *record.runtimes):
        raise UsageError(f"no runtime {base} in these runs: choose from {', '.join(record.runtimes)}")
    rounds = [(run, entry) for run in runs for entry in run.rounds]
    return _write(
        folder,
        record,
        [
            dataclasses.replace(entry, number=number, machine=dict(of_round(run, entry)))
            for number, (run, entry) in enumerate(rounds, 1)
        ],
    )


def identity(entry: RoundRecord) -> str:
    """What tells a round from every other one, under whatever number it is kept: what was measured in it, and when."""
    return hashlib.sha256(store.to_json([entry.started, entry.cells], None).encode()).hexdigest()


# --------------------------------------------------------------------- what fits


def _check_alike(first: Run, other: Run) -> None:
    one, two = first.record, other.record
    both = f"{first.folder} and {other.folder}"
    if one.workload.sha256 != two.workload.sha256:
        raise UsageError(f"{both} have different data, {one.workload.data} and {two.workload.data}: merge runs of one")
    for name in sorted({*one.workload.config, *two.workload.config}):
        ours, theirs = one.workload.config.get(name, "off"), two.workload.config.get(name, "off")
        if ours != theirs:
            raise UsageError(f"{both} have different models: {name} is {ours} and {theirs}: merge runs of one model")
    for field, option in PLANNED.items():
        ours, theirs = getattr(one.plan, field), getattr(two.plan, field)
        if ours != theirs:
            raise UsageError(f"{both} differ in {option}, {ours} and {theirs}: merge runs of the same options")
    if one.source_sha256 != two.source_sha256:
        raise UsageError(
            f"{both} were measured by different versions of the engines or the workload: merge runs of one version"
        )
    if one.engines.keys() != two.engines.keys():
        odd = sorted(one.engines.keys() ^ two.engines.keys())[0]
        raise UsageError(f"only one of {both} has the engine {odd}: merge runs of the same engines")
    for name, engine in one.engines.items():
        if engine.source_sha256 != two.engines[name].source_sha256:
            raise UsageError(f"{both} have different files of the engine {name}: merge runs of the same engines")
    for name in one.runtimes.keys() & two.runtimes.keys():
        _check_build(name, first, other)


def _check_build(name: str, first: Run, other: Run) -> None:
    one, two = first.record.runtimes[name], other.record.runtimes[name]
    facts = [fact for fact in one.described if fact in two.described and one.described[fact] != two.described[fact]]
    if facts or one.environment != two.environment:
        what = facts[0] if facts else "environment"
        said = [str(about.described.get(what, about.environment)) for about in (one, two)]
        raise UsageError(
            f"{name} is not the same build in {first.folder} and {other.folder}: its {what} is {said[0]!r:.80} and"
            f" {said[1]!r:.80}; measure with the same build, or under another name: --python NAME=PATH"
        )


def _check_parts(runs: Iterable[Run]) -> None:
    """A part is of the same plan as the others, and there once."""
    known: dict[tuple[int, ...], Run] = {}
    for run in runs:
        if run.record.plan.part is None:
            continue
        part = tuple(run.record.plan.part)
        for (_, number), other in known.items():
            if number != part[1]:
                raise UsageError(
                    f"{other.folder} is a part of {number} and {run.folder} one of {part[1]}: merge one plan"
                )
        if part in known:
            raise UsageError(
                f"{known[part].folder} and {run.folder} are both part {part[0]}/{part[1]}: give one of them"
            )
        known[part] = run


def _check_rounds(runs: Iterable[Run]) -> None:
    known: dict[str, str] = {}
    for run in runs:
        for entry in run.rounds:
            here = f"round {entry.number} of {run.folder}"
            if (before := known.setdefault(identity(entry), here)) is not here:
                raise UsageError(f"{here} is the same as {before}: give each round once")


# --------------------------------------------------------------------- what comes out


def _plan(runs: Sequence[Run]) -> PlanRecord:
    plans = [run.record.plan for run in runs]
    states = {plan.states_sha256 for plan in plans}
    affinities = [plan.affinity for plan in plans]
    return dataclasses.replace(
        plans[0],
        rounds=sum(len(run.rounds) for run in runs),
        budget_seconds=None,
        affinity=affinities[0] if all(each == affinities[0] for each in affinities) else None,
        states_sha256=states.pop() if len(states) == 1 else "",
        part=None,
        fewest=None,
    )


def _described(name: str, runs: Sequence[Run]) -> EngineRecord:
    """An engine as it described itself to the first run that it could start in."""
    return next(
        (run.record.engines[name] for run in runs if run.record.engines[name].summary), runs[0].record.engines[name]
    )


def _notes(runs: Sequence[Run]) -> list[str]:
    """What all runs say, once; what some say, with their names."""
    said = {
        note: [run.folder.name for run in runs if note in run.record.notes] for run in runs for note in run.record.notes
    }
    return [note if len(names) == len(runs) else f"{', '.join(names)}: {note}" for note, names in said.items()]


def _missing(runs: Sequence[Run]) -> list[str]:
    parts = [run.record.plan.part for run in runs if run.record.plan.part is not None]
    if not parts or len(parts) == parts[0][1]:
        return []
    missing = sorted({*range(1, parts[0][1] + 1)} - {part[0] for part in parts})
    return [f"part {', '.join(map(str, missing))} of {parts[0][1]} is missing: its rounds were not merged"]


def _write(folder: pathlib.Path, record: RunRecord, rounds: Sequence[RoundRecord]) -> Run:
    """In a folder beside the final one, which it is renamed to when all of it is there."""
    taken = UsageError(f"{folder} exists already: give another --name")
    if folder.exists():
        raise taken
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".merging-", dir=folder.parent) as beside:
            run = store.create(pathlib.Path(beside) / folder.name, record)
            for entry in rounds:
                store.add_round(run, entry)
            export_pyperf(run)
            try:
                os.rename(run.folder, folder)
            except OSError:
                if folder.exists():
                    raise taken from None
                raise
    except OSError as error:
        raise UsageError(
            f"cannot write results to {folder}: {error.strerror}: choose another --results folder"
        ) from None
    return store.load(folder)
