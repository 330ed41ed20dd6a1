"""The one driver of a pool's rounds: hands them out, one at a time to each machine, takes those that are done, gives lost ones away again.

What is to be measured, and what becomes of a round that arrived, is a `Work`'s: a run's, a check's, a calibration's.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from typing import Any, Protocol

from bench.host.measure.order import Answer, Order
from bench.host.measure.pool import Lost, Pool
from bench.host.measure.pool_files import manifest, packed, portable
from bench.host.measure.pool_machine import Machine
from bench.host.measure.session import Session
from bench.host.results import store
from bench.host.results.records import RoundRecord
from bench.host.system.errors import UsageError
from bench.host.system.interpreters import Runtime
from bench.host.system.progress import Progress

FAILURES = 3  # of a machine, after which it gets no more rounds
POLL_SECONDS = 0.02  # between two looks at what has arrived
LOOK_SECONDS = 0.5  # between two looks at who is there
LATE, LATE_SECONDS = 3.0, 60.0  # times the longest round, and at least so long: then another machine measures it too


class Work(Protocol):
    """What a pool measures."""

    def over(self, out: Sequence[Order]) -> bool:
        """Whether no more is wanted, those that are ``out`` included."""

    def order(self, machine: Machine) -> Order | None:
        """The next round for a machine; None where it has nothing to measure now."""

    def again(self, order: Order, machine: Machine) -> Order | None:
        """The same round for another machine, while the first one still has it; None where that can't be."""

    def idle(self, machines: Sequence[Machine]) -> bool:
        """Whether it is the end that none of these machines had anything to measure."""

    def lost(self, order: Order, machine: Machine) -> None:
        """A round that has to be measured again."""

    def keep(self, order: Order, machine: Machine, answer: Answer) -> None:
        """Take in a round; each comes once."""


@dataclasses.dataclass(eq=False)
class Given:
    """An order that a machine was given, and when. ``twin``: the other machine's, where a second one was given it too."""

    future: Any
    order: Order
    machine: Machine
    since: float = dataclasses.field(default_factory=time.monotonic)
    twin: Given | None = None


class Hands:
    """Hands out the rounds of a work."""

    def __init__(self, session: Session, pool: Pool, work: Work, progress: Progress) -> None:
        self.plan, self.pool, self.work, self.progress = session.plan, pool, work, progress
        self.files = packed(session.folder)
        self.manifest = manifest(self.files)
        self.portable = portable(self.plan, session.folder)
        self.out: list[Given] = []
        self.told: set[str] = set()
        self.longest = 0.0
        self.alone = time.monotonic()  # since when nobody has measured

    def measure(self) -> None:
        """Until the work is over. Raises UsageError where nobody has measured for as long as the pool waits."""
        machines: list[Machine] = []
        looked = 0.0
        try:
            while not self.work.over([given.order for given in self.out]):
                try:
                    if time.monotonic() - looked >= LOOK_SECONDS:
                        machines, looked = self._look(), time.monotonic()
                    self._take()
                    self._give(machines)
                except Lost as why:  # between any two of our steps
                    machines, looked = [], 0.0
                    self._connect_again(why)
                if self.out:
                    self.alone = time.monotonic()
                elif machines and self.work.idle(machines):
                    return
                elif time.monotonic() - self.alone > self.pool.wait:
                    raise UsageError(f"no machine has measured for {self.pool.wait:g} s")
                time.sleep(POLL_SECONDS)
        finally:
            self.pool.cancel([given.future for given in self.out])

    # ----------------------------------------------------------------- machines

    def _look(self) -> list[Machine]:
        """Who is there, greeted when it is new."""
        machines = self.pool.look()
        self.told &= {*self.pool.refused, *(machine.address for machine in machines)}
        for machine in machines:
            if machine.address not in self.told:
                self.told.add(machine.address)
                self._greet(machine)
        for address, why_not in self.pool.refused.items():
            if address not in self.told:
                self.told.add(address)
                self.progress.say(why_not)
        return machines

    def _connect_again(self, why: Lost) -> None:
        """To the next scheduler at the address of one that is gone; what was under way is to be measured again."""
        self.progress.say(f"{why}: waiting for it for {self.pool.wait:g} s")
        for given in self.out:
            self.work.lost(given.order, given.machine)
        self.out = []
        self.pool.connect_again()
        self.alone = time.monotonic()

    def _greet(self, machine: Machine) -> None:
        for runtime in self.plan.runtimes:
            own = (one for one in machine.about["runtimes"] if same_build(runtime, one))
            if (found := next(own, None)) is not None:
                machine.runtimes[runtime.name] = dataclasses.replace(found, name=runtime.name)
        lacking = [runtime.name for runtime in self.plan.runtimes if runtime.name not in machine.runtimes]
        without = f", without {', '.join(lacking)}" if lacking else ""
        self.progress.say(f"{machine} measures {', '.join(machine.runtimes) or 'nothing'}{without}")
        for line in machine.about["warnings"]:
            self.progress.say(f"warning: {machine.address}: {line}")

    def _failed(self, machine: Machine, why: str) -> None:
        machine.failures, machine.ready = machine.failures + 1, False
        self.progress.say(f"{machine.address}: {why}")
        if machine.failures == FAILURES:
            self.progress.say(f"{machine.address} gets no more rounds")

    # ----------------------------------------------------------------- rounds

    def _give(self, machines: Sequence[Machine]) -> None:
        """A round to every machine that has none; workers of one machine share it."""
        for machine in machines:
            busy = {given.machine.identity for given in self.out}
            if machine.identity in busy or machine.failures >= FAILURES:
                continue
            try:
                if not self.pool.send(machine, self.files, self.manifest):
                    continue
            except Lost:
                raise
            except UsageError as why:
                self._failed(machine, str(why))
                continue
            if (order := self._late(machine)) is None and (order := self._give_one(machine, self.work.order(machine))):
                self.progress.say(f"round {order.number} is measured by {machine.address}")

    def _give_one(self, machine: Machine, order: Order | None) -> Order | None:
        if order is not None:
            runtimes = [machine.runtimes[name] for name in dict.fromkeys(runtime for _, runtime in order.cells)]
            job = {"plan": self.portable, "runtimes": runtimes, "order": order}
            try:
                future = self.pool.round(machine.address, self.manifest, job)
            except Lost:
                self.work.lost(order, machine)
                raise
            self.out.append(Given(future, order, machine))
        return order

    def _late(self, machine: Machine) -> Order | None:
        """A round that another machine has had for too long, for this one as well: whose comes first is kept."""
        limit = max(LATE * self.longest, LATE_SECONDS)
        for given in self.out:
            if self.longest and given.twin is None and time.monotonic() - given.since > limit:
                if order := self._give_one(machine, self.work.again(given.order, machine)):
                    given.twin, self.out[-1].twin = self.out[-1], given
                    self._failed(given.machine, f"round {order.number} is late, and {machine.address} measures it too")
                return order
        return None

    def _take(self) -> None:
        """Keep the rounds that are done; what was lost is to be measured again."""
        for given in list(self.out):
            gone = given.machine.address not in self.pool.machines
            if given not in self.out or not (gone or given.future.done()):
                continue
            self.out.remove(given)
            try:
                said = self._arrived(given)
            except Lost:
                self.out.append(given)
                raise
            except UsageError as why:
                if given.twin not in self.out:
                    self.work.lost(given.order, given.machine)
                self._failed(given.machine, f"round {given.order.number} was lost, and is measured again: {why}")
            else:
                if given.twin in self.out:
                    self.out.remove(given.twin)
                    self.pool.cancel([given.twin.future])
                for line in said.lines:
                    self.progress.say(line)
                if said.record is not None:
                    self.longest = max(self.longest, said.record.seconds - said.extra)
                self.work.keep(given.order, given.machine, said)
            self.pool.cancel([given.future])

    def _arrived(self, given: Given) -> Answer:
        """What a machine says of its round. Raises UsageError where that was lost."""
        if not given.future.done():
            raise UsageError("the machine is gone")
        said = self.pool.answer(given.future, given.machine.address)
        if not said:
            raise UsageError("it was cancelled there")
        arrived: Answer = said["answer"]
        if arrived.record is None:
            return arrived
        record: RoundRecord = dataclasses.replace(arrived.record, machine=said["machine"])
        store.check_arrived(record, self.plan.settings)  # through the reader's checks: it comes from another machine
        return dataclasses.replace(arrived, record=record)


def same_build(one: Runtime, other: Runtime) -> bool:
    """Whether two machines' runtimes are one: what both say of themselves, their switches, and what finds them."""
    both = one.described.keys() & other.described.keys()
    alike = all(one.described[fact] == other.described[fact] for fact in both)
    return alike and (one.specification, one.environment) == (other.specification, other.environment)
