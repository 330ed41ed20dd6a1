"""The gate: rounds are added until every cell has a verdict or the time is up.

Each round measures only the cells that are still open, each beside what it is held against. The reference is measured
in the first round, and where it is one of a pair; in every other round losses are compared with those of the first.
"""

from __future__ import annotations

import dataclasses
import math
import pathlib
import statistics
from collections.abc import Collection, Sequence

from bench.host.gate import holds
from bench.host.measure import counters, engine_files, lockstep
from bench.host.measure.cell import CellState
from bench.host.measure.plan import Plan, Subject
from bench.host.measure.round import Round
from bench.host.measure.worker_process import EngineUnavailable
from bench.host.results.records import REFERENCE, Cell, Status, key
from bench.host.results.run import Run
from bench.host.results.verdicts import COUNT_THRESHOLD, NO_TIME, TIME_UP, Quantity
from bench.host.stats.paired import Ratio, round_log_ratios, typical
from bench.host.stats.sequential import Gate, Verdict, confirmed, signed_rank_ratio
from bench.host.system.deadline import OutOfTime
from bench.host.system.interpreters import Runtime
from bench.host.system.progress import Progress


@dataclasses.dataclass(frozen=True)
class Held:
    """A cell, the cell that is timed beside it, and between which ratios of the two it should be.

    ``low`` and ``high`` are 1 where the other cell is the same engine at another revision; where it is the reference,
    they are the interval of an earlier speedup. The same cell twice measures nothing and is refused. ``expected``: the
    engine must run, as what it is held against could; False for a run of another machine or build. ``promised``: the
    parity that it promised in an earlier run, empty where the other cell says it.
    """

    cell: Cell
    baseline: Cell
    low: float = 1.0
    high: float = 1.0
    expected: bool = True
    promised: str = ""

    def __post_init__(self) -> None:
        """Raises ValueError for a cell held against itself."""
        if self.cell == self.baseline:
            raise ValueError(f"{key(self.cell)} is held against itself")


@dataclasses.dataclass(frozen=True)
class Judgement:
    """A verdict, the ratio with the interval it was made from, and in how many rounds of how many batches.

    ``status`` other than ok: the cell, or what it is held against, could not be timed, and ``reason`` says why.
    """

    held: Held
    verdict: Verdict
    ratio: Ratio | None
    rounds: int
    batches: int
    status: Status = "ok"
    reason: str = ""
    instructions: float | None = None  # of the other cell over this one's, in counts; 1 where the files are the same
    not_counted: str = ""


class Open:
    """A cell without a verdict yet. ``since``: the index of its batch's first round; ``looked``: rounds at its last look."""

    def __init__(self, held: Held, since: int) -> None:
        self.held, self.since, self.looked, self.batch = held, since, 0, 1
        self.begun = since
        self.waiting = False  # for certainty about something else than time
        self.ratio: Ratio | None = None

    def look(self, run: Run, gate: Gate, last: bool = False) -> Judgement | None:
        """Judge where a look is due, or where there will be none later; None: go on."""
        for cell in (self.held.cell, self.held.baseline):
            status, reason = run.status(cell)
            if status != "ok":
                what = "" if cell == self.held.cell else f"{cell[0]}, which it is held against, {status}: "
                return self._end(run, Verdict.INCONCLUSIVE, status, what + reason)
        logs = log_ratios(run, self.held, self.since)
        rounds = len(logs)
        if rounds in gate.looks or (last and rounds > self.looked):
            self.looked = rounds
            found, self.ratio = gate.judge(logs, self.held.low, self.held.high)
            if found is Verdict.REGRESSED and self.batch == 1:
                if last:
                    return self._end(run, Verdict.INCONCLUSIVE, reason=NO_TIME)
                self.batch, self.since, self.looked = 2, len(run.rounds), 0
                return None
            if found is not Verdict.INCONCLUSIVE or rounds == gate.looks[-1]:
                verdict = found if self.batch == 1 else confirmed(Verdict.REGRESSED, found)
                reason = f"undecided after {rounds} rounds, the most there are" if found is Verdict.INCONCLUSIVE else ""
                if verdict is not found:
                    reason = "a first batch was slower, a second one did not confirm it"
                return self._end(run, verdict, reason=reason)
        if not last:
            return None
        if self.ratio is None and rounds:
            self.ratio = signed_rank_ratio(logs, gate.look_confidence)
        reason = NO_TIME if self.batch == 2 else TIME_UP
        return self._end(run, Verdict.INCONCLUSIVE, reason=reason)

    def _end(self, run: Run, verdict: Verdict, status: Status = "ok", reason: str = "") -> Judgement:
        return Judgement(self.held, verdict, self.ratio, len(run.rounds) - self.begun, self.batch, status, reason)


def log_ratios(run: Run, held: Held, since: int) -> list[float]:
    """A log-ratio per round from index ``since`` on, where both cells were measured."""
    if since == len(run.rounds):
        return []
    logs = round_log_ratios(*run.pair(held.baseline, held.cell, since))[0]
    return [float(log) for log in logs if not math.isnan(log)]


def decide(
    plan: Plan,
    run: Run,
    helds: list[Held],
    gate: Gate,
    progress: Progress,
    once: Collection[Cell] = (),
    quantities: Sequence[Quantity] = (),
    reserve: float = 0.0,
) -> list[Judgement]:
    """A judgement for each of ``helds``, in their order, adding rounds to ``run``, until the plan's deadline.

    ``once``: cells that are held against nothing, measured in the first round to see that they agree. ``quantities``:
    held beside time; a cell that has a verdict is measured on where one of them looks worse and it is not certain.
    ``reserve``: share of the time that is kept for what comes after.
    """
    whole, longest = plan.deadline, 0.0
    plan = dataclasses.replace(plan, deadline=whole.keeping(reserve))
    truth: dict[Cell, CellState] = {}
    still = [Open(held, len(run.rounds)) for held in helds]
    found: dict[int, Judgement] = {}
    while still or (once and not run.rounds):
        if truth and plan.deadline.left < longest:
            break
        wanted = {cell for one in still for cell in (one.held.cell, one.held.baseline)}
        if not truth:
            wanted |= {*once, *((REFERENCE, runtime.name) for runtime in plan.runtimes)}
        cells = [cell for cell in plan.cells if cell in wanted]
        number, first = len(run.rounds) + 1, not truth
        current = Round(plan, number, cells, progress, truth, samples=holds.SAMPLES, nodes=first)
        try:
            entry = current.run()
        except OutOfTime:
            break
        lockstep.say_if_over(whole, number, progress)
        lockstep.add(run, current, entry)
        truth = truth or current.references()
        longest = max(entry.seconds, longest * 0.9)  # rounds get shorter as cells are decided
        for one in list(still):
            judgement = found.get(id(one.held)) or one.look(run, gate)
            if judgement is not None:
                found[id(one.held)] = judgement
                if judgement.status != "ok" or not _looks_worse(run, one, quantities, gate):
                    still.remove(one)
        if not truth:
            break  # no reference went to the end: nothing can be proven
    for one in [one for one in still if id(one.held) not in found]:
        found[id(one.held)] = one.look(run, gate, last=True) or one._end(run, Verdict.INCONCLUSIVE)
    undecided = sum(one.verdict is Verdict.INCONCLUSIVE and one.status == "ok" for one in found.values())
    if undecided:
        count = f"{len(helds)} cell{'s' * (len(helds) != 1)}"
        progress.say(f"undecided after {plan.deadline.spent:.0f} s: {undecided} of {count}")
    return [found[id(held)] for held in helds]


def _looks_worse(run: Run, one: Open, quantities: Sequence[Quantity], gate: Gate) -> bool:
    """Whether a quantity beside time needs more rounds; looked at as seldom as time is, and not for ever."""
    rounds = len(run.of(one.held.cell))
    if rounds >= gate.looks[:MORE_LOOKS][-1]:
        return False
    if rounds not in gate.looks and one.waiting:
        return True
    one.waiting = holds.undecided(run, one.held.cell, one.held.baseline, quantities, gate)
    return one.waiting


MORE_LOOKS = 4  # after which something else than time keeps no cell open
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
    timed = {i: seconds_of(run, one.held.cell) for i, one in enumerate(judgements) if one.status == "ok"}
    for i in sorted(timed, key=timed.__getitem__):
        try:
            ratio = _instructions(plan, judgements[i].held, progress)
            counted[i] = dataclasses.replace(judgements[i], instructions=ratio)
        except OutOfTime:
            counted[i] = dataclasses.replace(judgements[i], not_counted="the budget ended")
        except counters.CannotCount as why:
            notes.append(str(why))
    return counted, list(dict.fromkeys(notes))


def seconds_of(run: Run, cell: Cell) -> float:
    """A typical step's."""
    return typical(run.times(cell))


def to_count(plan: Plan, helds: Sequence[Held]) -> bool:
    """Whether there is something to count: a pair of one engine whose files are not the same, and a Valgrind."""
    try:
        counters.find_valgrind()
    except counters.CannotCount:
        return False
    return any(_differ(plan, held) for held in helds)


def _differ(plan: Plan, held: Held) -> bool | None:
    """Whether what the two cells load differs; None where they are not one engine."""
    one, two = plan.engines[held.cell[0]], plan.engines[held.baseline[0]]
    if plan.before is None or plan.before.held.get(held.cell[0]) != held.baseline[0]:
        return None
    return one.slowdown != two.slowdown or files_of(one) != files_of(two)


def _instructions(plan: Plan, held: Held, progress: Progress) -> float | None:
    """Those of the other cell over this one's; None where the two are not one engine. Raises CannotCount, OutOfTime."""
    (row, name), (other, _) = held.cell, held.baseline
    one, two = plan.engines[row], plan.engines[other]
    differ = _differ(plan, held)
    if not differ:
        return None if differ is None else 1.0
    counters.find_valgrind()
    runtime = next(runtime for runtime in plan.runtimes if runtime.name == name)
    progress.advance(f"instructions of {row} on {name}")
    try:
        return instructions_ratio(plan, runtime, two, one)
    except (counters.CannotCount, EngineUnavailable) as why:
        raise counters.CannotCount(f"instructions of {row} on {name} are not counted: {why}") from None


def instructions_ratio(
    plan: Plan,
    runtime: Runtime,
    before: Subject,
    after: Subject,
    counted: dict[int, counters.Instructions] | None = None,
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
) -> counters.Instructions:
    return counters.instructions_per_step(
        runtime,
        subject.source,
        subject.loads,
        plan.documents,
        plan.config,
        gc=plan.record.gc,
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
    found = {str(path.relative_to(source)): path.read_bytes() for path in paths}
    file = pathlib.Path(engine) if engine.endswith(".py") else source / "engines" / f"{engine}.py"
    own = engine_files.gather(engine_files.OnDisk(file.parent), file.name, "" if engine.endswith(".py") else "engines")
    itself = own.pop(file.name)  # under one name, as a renamed engine is the same one
    return {**found, **{f"beside: {path}": content for path, content in own.items()}, "engine": itself}
