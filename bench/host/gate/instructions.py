"""Exact counts beside the times: does an engine take more instructions than at the revision it is held against?"""

from __future__ import annotations

import dataclasses
import math
import pathlib
import statistics
from collections.abc import Sequence

from bench.host.gate.decide import ComparedPair, Judgement
from bench.host.measure import engine_files, finding, valgrind
from bench.host.measure.plan import Plan, Subject
from bench.host.measure.worker_process import EngineUnavailable
from bench.host.results.records import Cell, RuntimeRecord
from bench.host.results.run import Run
from bench.host.results.verdicts import COUNT_THRESHOLD
from bench.host.stats.paired import typical
from bench.host.system.deadline import OutOfTime
from bench.host.system.errors import UsageError
from bench.host.system.interpreters import Runtime
from bench.host.system.progress import Progress

COUNT_SHARE = 0.3  # of the time, kept for counting where there is something to count
LAYOUTS = (0, 1, 2)  # memory layouts to count in before a difference is believed


def count_instructions(
    plan: Plan, run: Run, judgements: list[Judgement], progress: Progress
) -> tuple[list[Judgement], list[str]]:
    """The judgements with instructions counted under Valgrind, and lines about those that could not be.

    Only pairs of one engine in two copies of the sources are counted: between two engines a count says little. The same
    files have the same count. After an edit the memory layout shifts, which moves a count by up to 0.3 %: a difference
    that seems to be one is counted in two further layouts on both sides, and the median ratio stands. The quickest engines
    come first; where the deadline passes, the rest is not counted.
    """
    counted, notes = list(judgements), []
    timed = {i: seconds_of(run, one.pair.cell) for i, one in enumerate(judgements) if one.status == "ok"}
    for i in sorted(timed, key=timed.__getitem__):
        try:
            ratio = _instructions(plan, judgements[i].pair, progress)
            counted[i] = dataclasses.replace(judgements[i], instructions=ratio)
        except OutOfTime:
            counted[i] = dataclasses.replace(judgements[i], not_counted="the budget ended")
        except valgrind.CannotCount as why:
            notes.append(str(why))
    return counted, list(dict.fromkeys(notes))


def seconds_of(run: Run, cell: Cell) -> float:
    """A typical step's."""
    return typical(run.times(cell))


def with_own_runtimes(plan: Plan) -> tuple[Plan, list[str]]:
    """A pool's plan with this machine's runtimes, as counting is done here; and a line where they are not the pool's."""
    own = []
    for runtime in plan.runtimes:
        about = RuntimeRecord(runtime.specification, runtime.environment, runtime.described)
        try:
            own.append(finding.find_again(runtime.name, about))
        except UsageError as why:
            return plan, [f"instructions are not counted, as that is done on this machine: {why}"]
    return dataclasses.replace(plan, runtimes=own), []


def to_count(plan: Plan, pairs: Sequence[ComparedPair]) -> bool:
    """Whether there is something to count: a pair of one engine whose files are not the same, and a Valgrind."""
    try:
        valgrind.find_valgrind()
    except valgrind.CannotCount:
        return False
    return any(_differ(plan, pair) for pair in pairs)


def _differ(plan: Plan, pair: ComparedPair) -> bool | None:
    """Whether what the two cells load differs; None where they are not one engine."""
    one, two = plan.engines[pair.cell[0]], plan.engines[pair.baseline[0]]
    if plan.before is None or plan.before.baselines.get(pair.cell[0]) != pair.baseline[0]:
        return None
    return one.slowdown != two.slowdown or files_of(one) != files_of(two)


def _instructions(plan: Plan, pair: ComparedPair, progress: Progress) -> float | None:
    """Those of the other cell over this one's; None where the two are not one engine. Raises CannotCount, OutOfTime."""
    (row, name), (other, _) = pair.cell, pair.baseline
    one, two = plan.engines[row], plan.engines[other]
    differ = _differ(plan, pair)
    if not differ:
        return None if differ is None else 1.0
    valgrind.find_valgrind()
    runtime = next(runtime for runtime in plan.runtimes if runtime.name == name)
    progress.advance(f"instructions of {row} on {name}")
    try:
        return instructions_ratio(plan, runtime, two, one)
    except (valgrind.CannotCount, EngineUnavailable) as why:
        raise valgrind.CannotCount(f"instructions of {row} on {name} are not counted: {why}") from None


def instructions_ratio(
    plan: Plan,
    runtime: Runtime,
    before: Subject,
    after: Subject,
    counted: dict[int, valgrind.Instructions] | None = None,
) -> float:
    """Instructions of a step before over after, by the rule above. ``counted``: of before by layout, filled as needed."""
    ratios: list[float] = []
    counted = {} if counted is None else counted
    for layout in LAYOUTS:
        if layout not in counted:
            counted[layout] = _count(plan, runtime, before, layout, None)
        after_count = _count(plan, runtime, after, layout, counted[layout].steps)
        ratios.append(counted[layout].per_step / after_count.per_step)
        if abs(math.log(ratios[0])) <= math.log1p(COUNT_THRESHOLD):
            break
    return statistics.median(ratios)


def _count(
    plan: Plan, runtime: Runtime, subject: Subject, layout: int, steps: tuple[int, int] | None
) -> valgrind.Instructions:
    return valgrind.instructions_per_step(
        runtime,
        subject.source,
        subject.loads,
        plan.documents,
        plan.config,
        gc=plan.settings.gc,
        steps=steps,
        slowdown=subject.slowdown,
        layout=layout,
        deadline=plan.deadline,
    )


def files_of(subject: Subject) -> dict[str, bytes]:
    """What a worker reads for this engine: the workload, the engine's own file and its helpers, and built extensions."""
    source, engine = subject.source, subject.loads
    paths = [
        source / "bench" / "__init__.py",
        *source.glob("bench/workload/**/*.py"),
        source / "engines" / "__init__.py",
    ]
    if engine == "native":
        paths += [*source.glob("native/*.so"), *source.glob("engines/*.so")]  # built in place; a wheel's
    contents = {str(path.relative_to(source)): path.read_bytes() for path in paths}
    file = pathlib.Path(engine) if engine.endswith(".py") else source / "engines" / f"{engine}.py"
    own = engine_files.gather(engine_files.OnDisk(file.parent), file.name, "" if engine.endswith(".py") else "engines")
    itself = own.pop(file.name)  # under one name, as a renamed engine is the same one
    return {**contents, **{f"beside: {path}": content for path, content in own.items()}, "engine": itself}
