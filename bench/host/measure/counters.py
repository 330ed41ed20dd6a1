"""Exact counters of a step, taken in processes of their own so that they never disturb a timing.

**Instructions** are counted under Valgrind, by valgrind.py. **Blocks and peak memory** are tracemalloc's, **the
collector's share** comes from the times of gc.callbacks: see the orders ``memory`` and ``collector`` of
bench/workload/worker.py.
"""

from __future__ import annotations

import dataclasses
import datetime
import math
import pathlib
import statistics
from collections.abc import Iterator, Sequence
from typing import Any

from bench.host.measure.plan import Plan
from bench.host.measure.session import Session
from bench.host.measure.valgrind import (
    CYCLE,
    MOST_ROUNDS,
    TIMEOUT,
    CannotCount,
    instructions_per_step,
    valgrind_version,
)
from bench.host.measure.worker_process import EngineUnavailable, WorkerFailed, WorkerProcess
from bench.host.results import store
from bench.host.results.records import SCHEMA, Cell, CounterRecord, CountersRecord, key
from bench.host.results.run import Run
from bench.host.system.errors import UsageError
from bench.host.system.progress import Progress

COLLECTOR_NANOSECONDS = 2_000_000_000  # to watch the collector for, about
ORDERS = 5  # progress of a cell: start, memory, collector, nodes, instructions


def run(
    session: Session,
    folder: pathlib.Path,
    engines: Sequence[str] = (),
    runtimes: Sequence[str] = (),
    timeout: float = TIMEOUT,
) -> Run:
    """Count what a run on disk measured, or those of its engines and runtimes; `Run.uncounted` has those that failed.

    Raises UsageError, Interrupted.
    """
    session.lock(folder)
    cells = restrict(store.load(folder), engines, runtimes)
    if not cells:
        raise UsageError(f"nothing to count in {folder}: none of the chosen cells was measured with losses that agree")
    measured = session.resume(folder, {runtime for _, runtime in cells})
    kept = f"interrupted: the cells counted so far are kept in {folder}"
    with session.measuring(ORDERS * len(cells), lambda: kept) as progress:
        count(session.plan, measured, cells, progress, timeout)
    return measured


def restrict(run: Run, engines: Sequence[str], pythons: Sequence[str]) -> list[Cell]:
    """The run's cells with these engines and runtimes, all where none are named, and agreeing ones only.

    A runtime is named as in the tables or as it was given to ``--python``. Raises UsageError.
    """
    # one with switches of its own has the same --python value as the plain one before it, which is meant by that
    names = {about.specification: name for name, about in reversed(run.record.runtimes.items())}
    names |= {alias: name for name in run.record.runtimes for alias in (name.removeprefix("cpython-"), name)}
    for given, known, kind in ((engines, run.record.engines, "engine"), (pythons, names, "runtime")):
        for name in given:
            if name not in known:
                there = ", ".join(run.record.engines if kind == "engine" else run.record.runtimes)
                raise UsageError(f"no {kind} {name} in {run.folder}: choose from {there}")
    wanted = {names[name] for name in pythons}
    return [
        cell
        for cell in run.cells
        if (not engines or cell[0] in engines) and (not wanted or cell[1] in wanted) and run.ok(cell)
    ]


def count(plan: Plan, run: Run, cells: Sequence[Cell], progress: Progress, timeout: float = TIMEOUT) -> None:
    """Count these cells and save after each; those counted before are replaced.

    Without a Valgrind, instructions counted before are kept.
    """
    try:
        valgrind, missing = valgrind_version(), ""
    except CannotCount as why:
        valgrind, missing = "", str(why)
        progress.say(missing)
    for cell in cells:
        before = run.counters.cells if run.counters else {}
        counter = _of_cell(plan, cell, bool(valgrind), progress, timeout)
        if not valgrind and key(cell) in before:  # the engine is the same: so are they
            old = before[key(cell)]
            counter = dataclasses.replace(counter, instructions=old.instructions, steps=old.steps)
        store.save_counters(
            run,
            CountersRecord(
                schema=SCHEMA,
                created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
                valgrind=valgrind or (run.counters.valgrind if run.counters else ""),
                notes=[missing] if missing else [],
                cells={**before, key(cell): counter},
            ),
        )


def _of_cell(plan: Plan, cell: Cell, instructions: bool, progress: Progress, timeout: float) -> CounterRecord:
    runtime = next(runtime for runtime in plan.runtimes if runtime.name == cell[1])
    cycle, subject = min(CYCLE, plan.settings.steps), plan.engines[cell[0]]
    common = {
        "engine": subject.loads,
        "documents": str(plan.documents),
        "config": plan.config,
        "gc": plan.settings.gc,
    }
    answers: dict[str, Any] = {}
    worker = WorkerProcess(runtime, str(subject.source))
    try:
        for order in _orders(common, cycle, answers):
            progress.advance(f"{order['do']} of {cell[0]} on {cell[1]}")
            answers |= worker.ask(timeout, **order)
    except (WorkerFailed, EngineUnavailable) as why:
        progress.say(f"{cell[0]} on {cell[1]} failed: {why}")
        return CounterRecord(cycle=cycle, failed=str(why))
    finally:
        worker.stop()
    record = CounterRecord(
        cycle=cycle,
        nodes=statistics.fmean(answers["nodes"]),
        blocks=answers["blocks"] and statistics.fmean(answers["blocks"]),
        peak_bytes=answers["peak_bytes"] and statistics.fmean(answers["peak_bytes"]),
        collector_share=answers["share"],
        collections=None if answers["share"] is None else answers["collections"] / answers["watched"],
    )
    progress.advance(f"instructions of {cell[0]} on {cell[1]}")
    if not instructions:
        return record
    try:
        count = instructions_per_step(
            runtime,
            subject.source,
            subject.loads,
            plan.documents,
            plan.config,
            gc=plan.settings.gc,
            cycle=cycle,
            timeout=timeout,
        )
    except (CannotCount, EngineUnavailable) as why:
        return dataclasses.replace(record, not_counted=str(why))
    return dataclasses.replace(record, instructions=count.per_step, steps=list(count.steps))


def _orders(common: dict[str, Any], cycle: int, answers: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What to ask a worker; ``answers`` are those to the orders so far."""
    yield {"do": "start", **common, "cycle": cycle}
    yield {"do": "memory", "steps": cycle}  # before anything that the clock decides the amount of
    rounds = min(MOST_ROUNDS, math.ceil(COLLECTOR_NANOSECONDS / (cycle * max(1, answers["estimate_ns"]))))
    answers["watched"] = rounds * cycle
    yield {"do": "collector", "steps": answers["watched"]}
    yield {"do": "nodes", "steps": cycle}
