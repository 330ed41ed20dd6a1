"""A run measured by a pool: each machine measures a round at a time, whole and paired, and rounds are kept as they come.

A round that is lost with its machine is given to another. The plan's rounds have numbers, by which their turns are shuffled,
and none is kept twice; the files of a run are numbered as rounds arrive.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import pathlib
import time
from collections.abc import Sequence
from typing import Any

from bench.host.measure.plan import Plan
from bench.host.measure.pool import POLL_SECONDS, Machine, Pool, answer, manifest, packed
from bench.host.measure.prepare import Request
from bench.host.measure.rounds import SHORTER, describe_engines
from bench.host.measure.session import Session
from bench.host.results import store
from bench.host.results.pyperf_format import export_pyperf
from bench.host.results.records import SAMPLES, Cell, key
from bench.host.results.run import Run
from bench.host.system.errors import UsageError
from bench.host.system.interpreters import Runtime
from bench.host.system.progress import PREPARING, Progress, RunProgress, count

FAILURES = 3  # of a machine, after which it gets no more rounds


def run(session: Session, request: Request, folder: pathlib.Path, address: str, wait: float) -> Run:
    """A new run in ``folder``, measured by a pool. Raises UsageError, WorkloadError, EngineError, Interrupted."""
    with _pool(address, wait) as pool:
        with RunProgress(None, doing=PREPARING):
            pool.join(request.pythons, request.switches, None)
        found, notes = runtimes_of(list(pool.machines.values()))
        if lacking := [python for python in request.pythons if not any(one.specification == python for one in found)]:
            why = next((line for one in pool.machines.values() for line in one.about["missing"]), "")
            raise UsageError(f"no machine of the pool has {lacking[0]}: {why}")
        if not found:
            raise UsageError("no machine of the pool has a Python of the default matrix: give one with --python")
        session.prepare(dataclasses.replace(request, found=(found, notes)))
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


def same_build(one: Runtime, other: Runtime) -> bool:
    """Whether two machines' runtimes are one: what both say of themselves, their switches, and what finds them."""
    both = one.described.keys() & other.described.keys()
    alike = all(one.described[fact] == other.described[fact] for fact in both)
    return alike and (one.specification, one.environment) == (other.specification, other.environment)


def _measure(session: Session, pool: Pool) -> Run:
    run = session.run

    def kept() -> str:
        done = f"interrupted: {len(run.rounds)} of {run.record.plan.rounds} rounds are kept"
        return f"{done}; go on with: microgpt-bench run --resume {run.folder} --cluster {pool.address}"

    left = run.record.plan.rounds - len(run.rounds)
    with session.measuring(left, kept, "rounds") as progress:
        progress.say(
            f"{count(len(session.plan.engines), 'engine')} on {', '.join(run.record.runtimes)}, into {run.folder}"
        )
        hands = Hands(session, pool, progress)
        try:
            hands.measure()
        except UsageError as why:
            told = f"{why}: {len(run.rounds)} rounds are kept"
            raise UsageError(
                f"{told}; go on with: microgpt-bench run --resume {run.folder} --cluster ADDRESS"
            ) from None
        finally:
            pool.cancel([future for future, _, _ in hands.out])
    return run


class Hands:
    """Hands out the rounds of a plan that are not done, takes those that are, and gives lost ones to others."""

    def __init__(self, session: Session, pool: Pool, progress: Progress) -> None:
        self.plan, self.run, self.pool, self.progress = session.plan, session.run, pool, progress
        self.files = packed(session.folder)
        self.job = {"plan": _portable(self.plan, session.folder)}
        done = {entry.planned or entry.number for entry in self.run.rounds}
        self.queue = [number for number in range(1, self.plan.settings.rounds + 1) if number not in done]
        self.out: list[tuple[Any, int, Machine]] = []
        self.told: set[str] = set()
        self.longest = 0.0
        self.first = 0 if self.run.rounds else None  # the round with samples and nodes, 0 where that is done
        self.alone = time.monotonic()  # since when nobody has measured

    @property
    def time_left(self) -> bool:
        """Whether another round fits into the budget; the run's first always does."""
        return not (self.run.rounds or self.out) or self.plan.deadline.left > self.longest

    def measure(self) -> None:
        """Until all rounds are done, or the budget is. Raises UsageError where the pool is gone."""
        while (self.queue and self.time_left) or self.out:
            machines = self.pool.look()
            self._say_new(machines)
            self._take()
            self._give(machines)
            if self.out:
                self.alone = time.monotonic()
            elif self.run.rounds and machines and not any(map(self._cells, machines)):
                self.progress.say("no cell is left that agreed with the reference: no more rounds")
                return
            elif self.queue and time.monotonic() - self.alone > self.pool.wait:
                raise UsageError(f"no machine has measured for {self.pool.wait:g} s")
            time.sleep(POLL_SECONDS)
        if self.queue:
            done, of = len(self.run.rounds), self.plan.settings.rounds
            self.progress.say(
                f"stopped after {done} of {of} rounds: the next would pass the budget of {self.plan.deadline}"
            )

    def _say_new(self, machines: Sequence[Machine]) -> None:
        for machine in machines:
            if machine.address not in self.told:
                self.told.add(machine.address)
                for runtime in self.plan.runtimes:
                    own = (one for one in machine.about["runtimes"] if same_build(runtime, one))
                    if (found := next(own, None)) is not None:
                        machine.runtimes[runtime.name] = dataclasses.replace(found, name=runtime.name)
                lacking = [runtime.name for runtime in self.plan.runtimes if runtime.name not in machine.runtimes]
                without = f", without {', '.join(lacking)}" if lacking else ""
                self.progress.say(f"{machine} measures {', '.join(machine.runtimes) or 'nothing'}{without}")
                for line in machine.about["warnings"]:
                    self.progress.say(f"warning: {machine.address}: {line}")
        for address, why in self.pool.refused.items():
            if address not in self.told:
                self.told.add(address)
                self.progress.say(why)

    def _give(self, machines: Sequence[Machine]) -> None:
        """A round to every machine that has none; workers of one machine share it."""
        for machine in machines:
            busy = {other.identity for _, _, other in self.out}
            if not self.queue or not self.time_left:
                return
            cells = self._cells(machine)
            if machine.identity in busy or machine.failures >= FAILURES or not cells:
                continue
            try:
                if not self.pool.send(machine, self.files):
                    continue
            except UsageError as why:
                self._failed(machine, str(why))
                continue
            number = self.queue.pop(0)
            if first := self.first is None:
                self.first = number
            deadline = self.plan.deadline
            job = {
                **self.job,
                "number": number,
                "cells": cells,
                "runtimes": [machine.runtimes[name] for name in dict.fromkeys(runtime for _, runtime in cells)],
                "samples": SAMPLES * first,
                "nodes": first,
                "seconds": None if first or deadline.seconds == float("inf") else deadline.left,
            }
            self.out.append((self.pool.round(machine.address, manifest(self.files), job), number, machine))
            self.progress.say(f"round {number} is measured by {machine.address}")

    def _cells(self, machine: Machine) -> list[Cell]:
        """What a machine can measure, and is still worth it: not what failed anywhere, or could not start there."""
        here = [entry for entry in self.run.rounds if entry.machine and entry.machine["identity"] == machine.identity]
        skipped = {name for entry in here for name, cell in entry.cells.items() if cell.status == "skipped"}
        return [
            cell
            for cell in self.plan.cells
            if cell[1] in machine.runtimes
            and key(cell) not in skipped
            and self.run.status(cell)[0] not in ("failed", "diverged")
        ]

    def _take(self) -> None:
        """Keep the rounds that are done; what was lost is to be measured again."""
        out, self.out = self.out, []
        for future, number, machine in out:
            gone = machine.address not in self.pool.machines
            if not future.done() and not gone:
                self.out.append((future, number, machine))
                continue
            try:
                if not future.done():
                    raise UsageError("the machine is gone")
                said = answer(future)
                if not said:
                    raise UsageError("it was cancelled there")
                if said["record"] is not None:  # through the reader's checks: it comes from another machine
                    store.check_arrived(said["record"], self.run.record.plan)
            except UsageError as why:
                self.queue.insert(0, number)
                self.first = None if self.first == number else self.first
                self._failed(machine, f"round {number} was lost, and is measured again: {why}")
            else:
                self._keep(number, said)
            self.pool.cancel([future])

    def _failed(self, machine: Machine, why: str) -> None:
        machine.failures, machine.ready = machine.failures + 1, False
        self.progress.say(f"{machine.address}: {why}")
        if machine.failures == FAILURES:
            self.progress.say(f"{machine.address} gets no more rounds")

    def _keep(self, number: int, said: dict[str, Any]) -> None:
        for line in said["lines"]:
            self.progress.say(line)
        if said["record"] is None:
            self.progress.say(f"the budget of {self.plan.deadline} was used up in round {number}, which is left out")
            self.queue.clear()
            return
        place = len(self.run.rounds) + 1
        entry = dataclasses.replace(
            said["record"], number=place, planned=None if place == number else number, machine=said["machine"]
        )
        describe_engines(self.run, said["engines"])
        store.add_round(self.run, entry)
        self.longest = max(entry.seconds - said["extra"], SHORTER * self.longest)
        export_pyperf(self.run)
        machines = len({one.machine["identity"] for one in self.run.rounds if one.machine})
        self.progress.advance(f"{count(len(self.out), 'round')} under way; {count(machines, 'machine')} so far")


def _portable(plan: Plan, folder: pathlib.Path) -> Plan:
    """A plan with paths relative to its workspace, for `pool_round.placed`."""
    way = plan.trajectory
    return dataclasses.replace(
        plan,
        engines={
            row: dataclasses.replace(one, source=one.source.relative_to(folder)) for row, one in plan.engines.items()
        },
        documents=plan.documents.relative_to(folder),
        runtimes=[],
        trajectory=None if way is None else dataclasses.replace(way, folder=way.folder.relative_to(folder)),
    )
