"""A run measured by a pool: each machine measures a round at a time, whole and paired, and rounds are kept as they come.

A round that is lost with its machine is given to another. The plan's rounds have numbers, by which their turns are shuffled,
and none is kept twice; the files of a run are numbered as rounds arrive. They are not held in memory meanwhile.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import pathlib
from collections import defaultdict
from collections.abc import Iterator, Sequence

from bench.host.measure.hands import Hands, same_build
from bench.host.measure.order import Answer, Order
from bench.host.measure.plan import Plan
from bench.host.measure.pool import Pool
from bench.host.measure.pool_machine import Machine
from bench.host.measure.prepare import Request
from bench.host.measure.rounds import SHORTER, describe_engines
from bench.host.measure.session import Session
from bench.host.results import store
from bench.host.results.pyperf_format import export_pyperf
from bench.host.results.records import SAMPLES, Cell, RoundRecord, key
from bench.host.results.run import Run
from bench.host.system.errors import UsageError
from bench.host.system.interpreters import Runtime
from bench.host.system.progress import PREPARING, Progress, RunProgress, count


def run(session: Session, request: Request, folder: pathlib.Path, address: str, wait: float) -> Run:
    """A new run in ``folder``, measured by a pool. Raises UsageError, WorkloadError, EngineError, Interrupted."""
    with joined(request, address, wait) as (pool, request):
        session.prepare(request)
        session.create(folder)
        return _measure(session, pool)


def resume(session: Session, folder: pathlib.Path, address: str, wait: float) -> Run:
    """Go on with the run in ``folder`` by a pool. Raises UsageError, Interrupted."""
    session.lock(folder)
    again = session.resume(folder, pooled=True).record.runtimes
    with _pool(address, wait) as pool:
        with RunProgress(None, doing=PREPARING):
            pool.join((), (), again)
        return _measure(session, pool)


@contextlib.contextmanager
def joined(request: Request, address: str, wait: float, alike: bool = False) -> Iterator[tuple[Pool, Request]]:
    """A pool, and the request with the runtimes that its machines have. ``alike``: machines of one kind only.

    Raises UsageError where nobody comes, or none has what was asked for.
    """
    with _pool(address, wait) as pool:
        with RunProgress(None, doing=PREPARING):
            pool.join(request.pythons, request.switches, None)
        notes = pool.keep_one_kind() if alike else []
        found, more = runtimes_of(list(pool.machines.values()))
        if lacking := [python for python in request.pythons if not any(one.specification == python for one in found)]:
            why = next((line for one in pool.machines.values() for line in one.about["missing"]), "")
            raise UsageError(f"no machine of the pool has {lacking[0]}: {why}")
        if not found:
            raise UsageError("no machine of the pool has a Python of the default matrix: give one with --python")
        yield pool, dataclasses.replace(request, found=(found, [*notes, *more]))


def _pool(address: str, wait: float) -> Pool:
    return Pool(address, wait, importlib.metadata.version("microgpt-bench"))


def runtimes_of(machines: Sequence[Machine]) -> tuple[list[Runtime], list[str]]:
    """The runtimes of all machines, those of one name and another build kept apart; and what to say of that."""
    known: dict[str, Runtime] = {}
    notes: list[str] = []
    for machine in machines:
        for runtime in machine.about["runtimes"]:
            names = [name for name, other in known.items() if same_build(other, runtime)]
            if names:
                continue
            name, number = runtime.name, 1
            while name in known:
                number += 1
                name = f"{runtime.name}#{number}"
            if number > 1:
                notes.append(f"{runtime.name} is built differently on {machine}: kept apart as {name}")
            known[name] = dataclasses.replace(runtime, name=name)
    if not known:
        notes += [line for machine in machines for line in machine.about["missing"]]
    return list(known.values()), notes


def _measure(session: Session, pool: Pool) -> Run:
    run = session.run

    def kept() -> str:
        done = f"interrupted: {len(run.rounds)} of {run.record.plan.rounds} rounds are kept"
        return f"{done}; go on with: microgpt-bench run --resume {run.folder} --cluster {pool.address}"

    left = run.record.plan.rounds - len(run.rounds)
    with session.measuring(left, kept, "rounds", session.plan.deadline) as progress:
        progress.say(
            f"{count(len(session.plan.engines), 'engine')} on {', '.join(run.record.runtimes)}, into {run.folder}"
        )
        queue = Queue(session.plan, run, progress)
        try:
            Hands(session, pool, queue, progress).measure()
            queue.say_end()
        except UsageError as why:
            told = f"{why}: {len(run.rounds)} rounds are kept"
            raise UsageError(
                f"{told}; go on with: microgpt-bench run --resume {run.folder} --cluster ADDRESS"
            ) from None
        finally:
            session.run = store.load(run.folder)
            export_pyperf(session.run)
    return session.run


class Queue:
    """The rounds of a run's plan that are not done. As a `Work`: each is measured by whoever is free."""

    def __init__(self, plan: Plan, run: Run, progress: Progress) -> None:
        self.plan, self.run, self.progress = plan, run, progress
        done = {entry.planned or entry.number for entry in run.rounds}
        self.left = [number for number in range(1, plan.settings.rounds + 1) if number not in done]
        self.out = 0
        self.longest = 0.0
        self.first = 0 if run.rounds else None  # the round with samples and nodes, 0 where that is done
        self.bad: set[str] = set()  # cells that failed or diverged anywhere
        self.skipped: defaultdict[str, set[str]] = defaultdict(set)  # by machine: those that could not start there
        self.machines: set[str] = set()
        for entry in run.rounds:
            self._note(entry)
        run.rounds[:] = map(store.without_cells, run.rounds)

    def _note(self, entry: RoundRecord) -> None:
        identity = str((entry.machine or self.run.record.machine)["identity"])
        if entry.machine is not None:
            self.machines.add(identity)
        for name, cell in entry.cells.items():
            if cell.status in ("failed", "diverged"):
                self.bad.add(name)
            elif cell.status == "skipped":
                self.skipped[identity].add(name)

    @property
    def time_left(self) -> bool:
        """Whether another round fits into the budget; the run's first always does."""
        return not (self.run.rounds or self.out) or self.plan.deadline.left > self.longest

    def over(self, out: Sequence[Order]) -> bool:
        """Whether all rounds are done, or the budget is."""
        self.out = len(out)
        return not out and not (self.left and self.time_left)

    def order(self, machine: Machine) -> Order | None:
        """The next round, of what a machine can measure."""
        cells = self._cells(machine)
        if not self.left or not self.time_left or not cells:
            return None
        self.out += 1
        number = self.left.pop(0)
        if first := self.first is None:
            self.first = number
        deadline = self.plan.deadline
        seconds = None if first or deadline.seconds == float("inf") else deadline.left
        return Order(number, cells, samples=SAMPLES * first, nodes=first, seconds=seconds)

    def again(self, order: Order, machine: Machine) -> Order | None:
        """The same round on another machine, of what that can measure."""
        return dataclasses.replace(order, cells=cells) if (cells := self._cells(machine)) else None

    def idle(self, machines: Sequence[Machine]) -> bool:
        """No cell is left."""
        return bool(self.run.rounds) and not any(map(self._cells, machines))

    def lost(self, order: Order, machine: Machine) -> None:
        """Back in front."""
        self.left = sorted({*self.left, order.number})
        self.first = None if self.first == order.number else self.first

    def keep(self, order: Order, machine: Machine, answer: Answer) -> None:
        """On disk at once, and of memory nothing but that it is there."""
        if answer.record is None:
            self.progress.say(
                f"the budget of {self.plan.deadline} was used up in round {order.number}, which is left out"
            )
            self.left.clear()
            return
        place, number = len(self.run.rounds) + 1, order.number
        entry = dataclasses.replace(answer.record, number=place, planned=None if place == number else number)
        describe_engines(self.run, answer.engines)
        store.add_round(self.run, entry, hold=False)
        self._note(entry)
        self.longest = max(entry.seconds - answer.extra, SHORTER * self.longest)
        self.progress.advance(
            f"{count(self.out - 1, 'round')} under way; {count(len(self.machines), 'machine')} so far"
        )

    def say_end(self) -> None:
        """Why rounds are left, if any are."""
        done, of = len(self.run.rounds), self.plan.settings.rounds
        if self.left and self.time_left:
            self.progress.say("no cell is left that agreed with the reference: no more rounds")
        elif self.left:
            self.progress.say(
                f"stopped after {done} of {of} rounds: the next would pass the budget of {self.plan.deadline}"
            )

    def _cells(self, machine: Machine) -> list[Cell]:
        """What a machine can measure, and is still worth it: not what failed anywhere, or could not start there."""
        without = self.bad | self.skipped[machine.identity]
        return [cell for cell in self.plan.cells if cell[1] in machine.runtimes and key(cell) not in without]
