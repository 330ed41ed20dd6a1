"""How an engine's time grows with the model: each size of one engine in the same rounds, so that drift does not bend a line.

Every step has a document that fills the longest block: a step's work is the same at every step.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from bench.host.measure.cell import CellState
from bench.host.measure.lockstep import say_if_over
from bench.host.measure.plan import Plan
from bench.host.measure.prepare import Request
from bench.host.measure.round import Round
from bench.host.measure.session import Session
from bench.host.results import store
from bench.host.results.parity import parity_text, worst
from bench.host.results.records import REFERENCE, SCHEMA, Cell
from bench.host.results.run import Run
from bench.host.results.scaling import Point, Scaling, sizes
from bench.host.system import datasets
from bench.host.system.deadline import OutOfTime
from bench.host.system.errors import UsageError
from bench.host.system.progress import Progress
from bench.workload.data import read_documents


def long_documents(documents: Sequence[str], length: int) -> list[str]:
    """Neighbours joined by spaces until each has at least ``length`` characters."""
    found, joined = [], ""
    for document in [*documents, *documents[: length + 1]]:
        joined = f"{joined} {document}".strip()
        if len(joined) >= length:
            found.append(joined)
            joined = ""
    return found


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
        raise UsageError("scale looks at one runtime: give one --python and no --env")
    # the file of long documents goes; what it was made from stays
    workload = dataclasses.replace(session.record.workload, data=f"{request.data}, neighbours joined")
    session.record = dataclasses.replace(session.record, workload=workload)
    created = session.create(folder)
    kept = f"interrupted: the engines that were done are kept in {created.folder / 'scale.json'}"
    with session.measuring(None, lambda: kept) as progress:
        for line in session.record.notes:
            progress.say(line)
        progress.say(f"{len(session.plan.engines)} engines at {len(sizes(factors))} sizes, into {created.folder}")
        return measure(session.plan, created, factors, progress)


def measure(
    plan: Plan,
    run: Run,
    factors: dict[str, list[int]],
    progress: Progress,
) -> Scaling:
    """Every engine of the plan at every size, engine by engine, saved after each. The reference comes first."""
    runtime, engines, points = plan.runtimes[0].name, list(plan.engines), sizes(factors)
    for engine in engines:
        for point in points:
            plan.engines[row(engine, point)] = dataclasses.replace(
                plan.engines[engine], config={**plan.config, **point}, reference=row(REFERENCE, point)
            )
    truth: dict[Cell, CellState] = {}
    found = Scaling(SCHEMA, run.record, factors, [])
    for engine in sorted(engines, key=lambda name: name != REFERENCE):
        cells = {(row(engine, point), runtime): point for point in points}
        alive = list(cells)
        longest, first = 0.0, len(run.rounds)
        for number_ in range(plan.record.rounds):
            if run.rounds and plan.deadline.left <= longest:
                break
            current = Round(plan, len(run.rounds) + 1, alive, progress, truth, nodes=number_ == 0)
            try:
                run.rounds.append(current.run())
            except OutOfTime:
                break
            say_if_over(plan.deadline, current.number, progress)
            longest = max(longest, run.rounds[-1].seconds)
            truth = truth | current.references()
            alive = [cell for cell in alive if current.states[cell].status == "ok"]
        done_rounds = len(run.rounds) - first
        if not done_rounds:
            progress.say(f"stopped before {engine}: the budget of {plan.deadline} is used up")
            break
        if done_rounds < plan.record.rounds and alive:
            progress.say(
                f"{engine}: {done_rounds} of {plan.record.rounds} rounds, then the budget of {plan.deadline} ended"
            )
        found = dataclasses.replace(
            found, points=[*found.points, *(_point(run, engine, *item) for item in cells.items())]
        )
        store.write_json(run.folder / "scale.json", found)
        done = [p for p in found.points if p.engine == engine and p.status == "ok"]
        if done:
            times = [float(np.median(point.seconds)) for point in done]
            progress.say(
                f"{engine}: {1e3 * min(times):.3g} ms/step at the smallest size, {1e3 * max(times):.3g} at the largest"
            )
    return found


def _point(run: Run, engine: str, cell: Cell, sizes_: dict[str, int]) -> Point:
    status, reason = run.status(cell)
    records = run.of(cell)
    findings = [record.finding for record in records if record.finding]
    nodes = next((record.nodes for record in records if record.nodes), None)
    return Point(
        engine,
        sizes_,
        # rounds of other engines are NaN
        [] if status != "ok" else [float(np.median(times)) for times in run.times(cell) if np.isfinite(times).all()],
        None if nodes is None else float(np.mean(nodes)),
        parity_text(worst(findings)) if findings else "",
        status,
        reason,
    )
