"""Where the time of a run's cells goes: each cell counted under callgrind, and looked at by perf, in processes of its own."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence

from bench.host.measure import callgrind, counters, sampling
from bench.host.measure.plan import Plan
from bench.host.measure.session import Session
from bench.host.measure.valgrind import CannotCount, valgrind_version
from bench.host.measure.worker_process import EngineUnavailable
from bench.host.results import breakdown, store
from bench.host.results.breakdown import BreakdownRecord, CellBreakdown
from bench.host.results.records import Cell, key
from bench.host.results.run import Run
from bench.host.system.errors import UsageError

SECONDS = 10.0  # of samples
TIMEOUT = 900.0  # callgrind takes about a hundred times as long as the step


def run(
    folder: pathlib.Path, engines: Sequence[str], runtimes: Sequence[str], again: bool, seconds: float, timeout: float
) -> tuple[Run, BreakdownRecord]:
    """A run, and what its cells are broken down to: those that lack it are measured first, with ``again`` all chosen ones.

    ``engines`` empty: the built-in ones, as those of a file are there to compare with. Each is saved as soon as it is done. Raises UsageError, Interrupted.
    """
    measured = store.load(folder)
    own = [name for name, about in measured.record.engines.items() if about.path is None]
    cells = counters.restrict(measured, engines or own, runtimes)
    record = breakdown.kept(measured)
    lacking = [cell for cell in cells if again or key(cell) not in record.cells]
    if not lacking:
        return measured, record
    record = dataclasses.replace(record, valgrind=valgrind_version(), perf=sampling.perf_version())
    with Session() as session:
        session.lock(folder)
        measured = session.resume(folder, {runtime for _, runtime in lacking})
        kept = f"interrupted: the cells broken down so far are kept in {folder}"
        with session.measuring(2 * len(lacking), lambda: kept) as progress:
            for cell in lacking:
                progress.advance(f"instructions of {cell[0]} on {cell[1]}")
                record.cells[key(cell)] = _of_cell(session.plan, cell, seconds, timeout)
                progress.advance(f"samples of {cell[0]} on {cell[1]}")
                breakdown.save(measured, record)
                if record.cells[key(cell)].failed:
                    progress.say(f"{cell[0]} on {cell[1]}: {record.cells[key(cell)].failed}")
    if all(record.cells[key(cell)].failed for cell in lacking):
        raise UsageError(record.cells[key(lacking[0])].failed)
    return measured, record


def _of_cell(plan: Plan, cell: Cell, seconds: float, timeout: float) -> CellBreakdown:
    runtime = next(runtime for runtime in plan.runtimes if runtime.name == cell[1])
    subject = plan.engines[cell[0]]
    common = (runtime, subject.source, subject.loads, plan.documents, plan.config, plan.settings.gc)
    try:
        return CellBreakdown(
            phases=breakdown.thinned(callgrind.by_function(*common, timeout)),
            samples=breakdown.thinned_samples(sampling.by_function(*common, seconds)),
        )
    except (CannotCount, EngineUnavailable) as why:
        return CellBreakdown(failed=str(why))
