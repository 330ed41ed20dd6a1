"""How an engine's time grows with the model: each size of one engine in the same rounds, so that drift does not bend a line.

Every step has a document that fills the longest block: a step's work is the same at every step. The exponent is the
slope of log(time) over log(size), by least squares in each round, averaged over the rounds with Student's t interval.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import cattrs
import numpy as np

from bench.host.measure.cell import CellState
from bench.host.measure.lockstep import say_if_over
from bench.host.measure.plan import REFERENCE, Plan, Progress
from bench.host.measure.prepare import Request
from bench.host.measure.round import Round
from bench.host.measure.session import Session
from bench.host.pages.tables import NOTHING, Table, number, parity_text
from bench.host.results import store, validity
from bench.host.results.parity import worst
from bench.host.results.records import SCHEMA, Cell, RunRecord
from bench.host.results.run import Run
from bench.host.system import datasets
from bench.host.system.deadline import OutOfTime
from bench.host.system.errors import UsageError
from bench.workload.config import Config
from bench.workload.data import read_documents

FACTORS = ("n_embd", "n_layer", "block_size")


@dataclasses.dataclass(frozen=True)
class Point:
    """One engine at one size. ``seconds``: each round's median step, processor time or wall as the plan says."""

    engine: str
    sizes: dict[str, int]
    seconds: list[float]
    nodes: float | None
    parity: str
    status: str = "ok"
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class Scaling:
    """All points, and on what: ``scale.json`` of a run's folder."""

    schema: int
    record: RunRecord
    factors: dict[str, list[int]]
    points: list[Point]

    @property
    def left_out(self) -> list[str]:
        """The engines that the budget left no time for."""
        return [engine for engine in self.record.engines if engine not in {point.engine for point in self.points}]

    def series(self, engine: str, factor: str) -> list[Point]:
        """An engine's points along one factor, the others at their smallest, by growing size."""
        rest = {name: values[0] for name, values in self.factors.items() if name != factor}
        found = [p for p in self.points if p.engine == engine and all(p.sizes[name] == v for name, v in rest.items())]
        return sorted(found, key=lambda point: point.sizes[factor])


def sizes(factors: Mapping[str, Sequence[int]]) -> list[dict[str, int]]:
    """The sizes to measure: one factor at a time, the others at their smallest."""
    base = {name: values[0] for name, values in factors.items()}
    return [base, *({**base, name: value} for name, values in factors.items() for value in values[1:])]


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
            progress.say(
                f"{engine}: {_ms(done[0])} ms/step at the smallest size, {max(map(_ms, done), key=float)} at the largest"
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


# --------------------------------------------------------------------- tables


def tables(scaling: Scaling) -> list[Table]:
    """A table for each factor: ms/step at each size, exponents between neighbours, and the fitted one."""
    return [_table(scaling, factor) for factor in FACTORS if len(scaling.factors[factor]) > 1]


def _table(scaling: Scaling, factor: str) -> Table:
    values = scaling.factors[factor]
    rows, below = [], []
    for engine in dict.fromkeys(point.engine for point in scaling.points):
        series = scaling.series(engine, factor)
        bad = next((point for point in series if point.status != "ok"), None)
        if bad is not None:
            if (bad is series[0] and factor == next(iter(scaling.factors))) or bad is not series[0]:
                below.append(f"{engine} {bad.status} at {factor} {bad.sizes[factor]}: {bad.reason}")
            if bad.status == "skipped":
                continue
        shown = [_ms(point) if point.status == "ok" else point.status for point in series]
        steps = [
            _local(one, other, factor) if one.status == other.status == "ok" else NOTHING
            for one, other in zip(series, series[1:])
        ]
        last = next((point for point in reversed(series) if point.nodes), None)
        nodes = NOTHING if last is None or last.nodes is None else f"{last.nodes:,.0f}"
        fit = NOTHING if bad is not None else _fit(series, factor)
        rows.append([engine, *shown, *steps, fit, nodes])
    below += [f"{engine} not measured: the budget ended" for engine in scaling.left_out]
    arrows = [f"{one}→{other}" for one, other in zip(values, values[1:])]
    record, rest = scaling.record, {name: v[0] for name, v in scaling.factors.items() if name != factor}
    return Table(
        f"Time over {factor} on {', '.join(record.runtimes)}",
        [
            f"{', '.join(f'{name} {value}' for name, value in rest.items())}; every document fills the block; {record.created}",
            f"ms/step (median), then the exponent from size to size and over all: 1 is time in proportion to {factor}.",
        ],
        ["engine", *(f"{value}" for value in values), *arrows, "exponent", f"nodes at {values[-1]}"],
        rows,
        below,
    )


def _ms(point: Point) -> str:
    return number(float(np.median(point.seconds)) * 1e3)


def _local(one: Point, other: Point, factor: str) -> str:
    ratio = np.median(np.log(other.seconds) - np.log(one.seconds))
    return f"{ratio / np.log(other.sizes[factor] / one.sizes[factor]):.2f}"


def _fit(series: Sequence[Point], factor: str) -> str:
    """The mean of the rounds' slopes with half its 95 % interval."""
    from scipy import stats as scipy_stats  # here: its import takes longer than most commands

    x = np.log([point.sizes[factor] for point in series])
    slopes = np.array([scipy_stats.linregress(x, np.log(y)).slope for y in zip(*[p.seconds for p in series])])
    if len(slopes) < 2:
        return f"{slopes[0]:.2f}"
    half = scipy_stats.t.ppf(0.975, len(slopes) - 1) * slopes.std(ddof=1) / np.sqrt(len(slopes))
    return f"{slopes.mean():.2f}±{half:.2f}"


def load(folder: pathlib.Path) -> Scaling:
    """Read a run's scale.json. Raises UsageError."""
    if not (folder / "scale.json").is_file():
        raise UsageError(f"{folder} has no scale.json: microgpt-bench scale makes one")
    return store.read(folder / "scale.json", Scaling, lambda found: validity.check_scaling(found, FACTORS, sizes))


def to_json(scaling: Scaling) -> str:
    """For programs."""
    return json.dumps(cattrs.unstructure(scaling), indent=1, ensure_ascii=False)


def check_factors(factors: Mapping[str, Sequence[Any]]) -> None:
    """Raises UsageError for sizes that don't grow, WorkloadError for those that no model can have together."""
    for name, values in factors.items():
        if list(values) != sorted(set(values)) or values[0] < 1:
            raise UsageError(f"--{name.replace('_', '-')} {','.join(map(str, values))}: give growing sizes from 1 on")
    if all(len(values) < 2 for values in factors.values()):
        raise UsageError("one size each shows no growth: give at least two of one, as in --n-embd 16,32")
    for values in itertools.product(*factors.values()):
        Config(**dict(zip(factors, values)))
