"""How an engine's time grows with the model: each size of one engine in the same rounds, so that drift does not bend a line.

Every step has a document that fills the longest block: a step's work is the same at every step.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from bench.host.measure.cell import CellState
from bench.host.measure.plan import Plan
from bench.host.measure.prepare import Request
from bench.host.measure.rounds import Rounds
from bench.host.measure.session import Session
from bench.host.results import store
from bench.host.results.parity import parity_text, worst
from bench.host.results.records import REFERENCE, SCHEMA, Cell
from bench.host.results.run import Run
from bench.host.results.scaling import Scaling, SizePoint, sizes
from bench.host.system import datasets
from bench.host.system.errors import UsageError
from bench.host.system.progress import Progress, count
from bench.workload.data import read_documents


def long_documents(documents: Sequence[str], length: int) -> list[str]:
    """Neighbours joined by spaces until each has at least ``length`` characters."""
    long, joined = [], ""
    for document in [*documents, *documents[: length + 1]]:
        joined = f"{joined} {document}".strip()
        if len(joined) >= length:
            long.append(joined)
            joined = ""
    return long


def row(engine: str, point: Mapping[str, int]) -> str:
    """The row of an engine at a size."""
    return f"{engine}@{','.join(f'{name}={value}' for name, value in point.items())}"


def run(session: Session, request: Request, factors: dict[str, list[int]], folder: pathlib.Path) -> Scaling:
    """A whole measurement, into a new run's ``folder``. Raises UsageError, WorkloadError, EngineError, Interrupted."""
    joined = long_documents(read_documents(datasets.locate(request.data)), max(factors["block_size"]))
    path = session.folder / "joined.txt"
    path.write_text("\n".join(joined) + "\n", encoding="utf-8")
    session.prepare(dataclasses.replace(request, data=str(path)))
    if len(session.plan.runtimes) > 1:
        raise UsageError("scale measures one runtime: give one --python and no --env")
    # the file of long documents goes; what it was made from stays
    workload = dataclasses.replace(session.record.workload, data=f"{request.data}, neighbours joined")
    session.record = dataclasses.replace(session.record, workload=workload)
    created = session.create(folder)
    kept = f"interrupted: the engines that were done are kept in {created.folder / 'scale.json'}"
    with session.measuring(None, lambda: kept) as progress:
        for line in session.record.notes:
            progress.say(line)
        progress.say(
            f"{count(len(session.plan.engines), 'engine')} at {count(len(sizes(factors)), 'size')}, into {created.folder}"
        )
        return measure(session.plan, created, factors, progress)


def measure(
    plan: Plan,
    run: Run,
    factors: dict[str, list[int]],
    progress: Progress,
) -> Scaling:
    """Every engine of the plan at every size, engine by engine, saved after each. The reference comes first."""
    runtime, points, reference_cells = plan.runtimes[0].name, sizes(factors), dict[Cell, CellState]()
    at_size = {
        row(engine, point): dataclasses.replace(
            subject, config={**plan.config, **point}, reference=row(REFERENCE, point)
        )
        for engine, subject in plan.engines.items()
        for point in points
    }
    engines, plan = list(plan.engines), dataclasses.replace(plan, engines=at_size)
    scaling = Scaling(SCHEMA, run.record, factors, [])
    for engine in sorted(engines, key=lambda name: name != REFERENCE):
        cells = {(row(engine, point), runtime): point for point in points}
        alive, first = list(cells), len(run.rounds)
        rounds = Rounds(plan, run, progress, save=False, reference_cells=reference_cells)
        for number in range(plan.settings.rounds):
            current = rounds.add(alive, nodes=number == 0) if rounds.time_left else None
            if current is None:
                break
            alive = [cell for cell in alive if current.states[cell].status == "ok"]
        done = len(run.rounds) - first
        if not done:
            progress.say(f"stopped before {engine}: the budget of {plan.deadline} is used up")
            break
        if done < plan.settings.rounds and alive:
            progress.say(
                f"{engine}: {done} of {plan.settings.rounds} rounds, then the budget of {plan.deadline} was used up"
            )
        scaling = dataclasses.replace(
            scaling, points=[*scaling.points, *(_point(run, engine, *item) for item in cells.items())]
        )
        store.write_json(run.folder / "scale.json", scaling)
        times = [float(np.median(p.seconds)) for p in scaling.points if p.engine == engine and p.status == "ok"]
        if times:
            progress.say(
                f"{engine}: {1e3 * min(times):.3g} ms/step at the smallest size, {1e3 * max(times):.3g} at the largest"
            )
    return scaling


def _point(run: Run, engine: str, cell: Cell, sizes_: dict[str, int]) -> SizePoint:
    status, reason = run.status(cell)
    records = run.of(cell)
    findings = [record.finding for record in records if record.finding]
    nodes = next((record.nodes for record in records if record.nodes), None)
    return SizePoint(
        engine,
        sizes_,
        # rounds of other engines are NaN
        [] if status != "ok" else [float(np.median(times)) for times in run.times(cell) if np.isfinite(times).all()],
        None if nodes is None else float(np.mean(nodes)),
        parity_text(worst(findings)) if findings else "",
        status,
        reason,
    )
