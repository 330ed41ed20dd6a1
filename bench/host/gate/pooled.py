"""The gate on a pool of machines: a check whose rounds several of them measure, and each one's own calibration."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from bench.host.gate import holds
from bench.host.gate.calibrate import Trials
from bench.host.gate.decide import Decision, Judgement
from bench.host.measure.cell import CellState
from bench.host.measure.hands import Hands
from bench.host.measure.order import Answer, Order
from bench.host.measure.plan import Plan
from bench.host.measure.pool import Pool
from bench.host.measure.pool_machine import Machine
from bench.host.measure.rounds import SHORTER, describe_engines
from bench.host.measure.session import Session
from bench.host.results import store
from bench.host.results.records import Cell
from bench.host.system.errors import UsageError
from bench.host.system.interpreters import Runtime
from bench.host.system.progress import Progress, count


def decide_on_pool(session: Session, pool: Pool, decision: Decision, progress: Progress) -> list[Judgement]:
    """`decide.decide`, with rounds that the machines of a pool measure side by side. Raises UsageError where they are gone."""
    work = CheckedRounds(decision, progress)
    try:
        Hands(session, pool, work, progress).measure()
    except UsageError as why:
        if not decision.run.rounds:
            raise UsageError(f"{why}, and no round is done: nothing is decided") from None
        told = f"{why}: it is decided by {count(len(decision.run.rounds), 'round')}"
        progress.say(told)
        session.record = dataclasses.replace(session.record, notes=[*session.record.notes, told])
    return decision.end(progress)


class CheckedRounds:
    """The rounds of a check. As a `Work`: they count in the order in which they were given out, not in which they arrive.

    So a look is at the rounds that it was planned for, and a round that is slow counts like any other. Each machine's first
    round has the references, by which its later ones are proven.
    """

    def __init__(self, decision: Decision, progress: Progress) -> None:
        self.decision, self.progress = decision, progress
        self.given, self.out = 0, 0
        self.gone: list[int] = []  # numbers of lost rounds
        self.early: dict[int, tuple[Machine, Answer]] = {}  # arrived before others that were given out earlier
        self.references: dict[str, Mapping[Cell, CellState]] = {}  # by machine
        self.longest = 0.0
        self.ended = False

    @property
    def time_left(self) -> bool:
        """Whether another round fits into the budget; the first always does."""
        return not (self.decision.run.rounds or self.out) or self.decision.plan.deadline.left > self.longest

    def over(self, out: Sequence[Order]) -> bool:
        """Whether all is decided, or the budget is used up."""
        self.out = len(out)
        return self.ended or not self.decision.open or (not out and not self.time_left)

    def order(self, machine: Machine) -> Order | None:
        """The next round: one that was lost, or a new one, up to as many as there are looks at."""
        if not self.time_left or not (self.gone or self.given < self.decision.gate.looks[-1]):
            return None
        if (order := self._order(machine, self.gone[0] if self.gone else self.given + 1)) is not None:
            self.gone = self.gone[1:]
            self.given = max(self.given, order.number)
        return order

    def again(self, order: Order, machine: Machine) -> Order | None:
        """The same round for another machine."""
        return self._order(machine, order.number)

    def _order(self, machine: Machine, number: int) -> Order | None:
        known, deadline = self.references.get(machine.identity, {}), self.decision.plan.deadline
        cells = [cell for cell in self.decision.cells(not known) if cell[1] in machine.runtimes]
        seconds = None if number == 1 or deadline.seconds == float("inf") else deadline.left
        first = number == 1
        return Order(number, cells, holds.SAMPLES, first, known, seconds) if cells else None

    def idle(self, machines: Sequence[Machine]) -> bool:
        """Never: others may come."""
        return False

    def lost(self, order: Order, machine: Machine) -> None:
        """It is the next to be given out."""
        self.gone = sorted({*self.gone, order.number})

    def keep(self, order: Order, machine: Machine, answer: Answer) -> None:
        """Add it to the run when its turn has come, and look."""
        if answer.record is None:
            self.ended = True
            return
        self.longest = max(answer.record.seconds - answer.extra, SHORTER * self.longest)
        if not order.references:
            self.references[machine.identity] = answer.references
        self.early[order.number] = machine, answer
        run = self.decision.run
        while (place := len(run.rounds) + 1) in self.early and self.decision.open:
            _, now = self.early.pop(place)
            assert now.record is not None
            describe_engines(run, now.engines)
            store.add_round(run, dataclasses.replace(now.record, number=place))
            self.decision.look()
            self.progress.advance(f"{count(self.out, 'round')} under way; {count(len(run.machines), 'machine')} so far")
        # no reference went to the end: nothing can be proven
        self.ended = self.ended or not self.references.get(machine.identity)


class TrialRounds:
    """The rounds of each machine's own calibration. As a `Work`: a machine's trials go on with what it measured itself.

    ``of``: makes the trials of a machine on a runtime, and what saves them.
    """

    def __init__(
        self, plan: Plan, of: Callable[[Machine, Runtime], tuple[Trials, Callable[[], None]]], progress: Progress
    ) -> None:
        self.plan, self.of, self.progress = plan, of, progress
        self.trials: dict[str, tuple[Trials, Callable[[], None]]] = {}  # by machine
        self.references: dict[str, Mapping[Cell, CellState]] = {}
        self.longest: dict[str, float] = {}

    def over(self, out: Sequence[Order]) -> bool:
        """Whether all machines have their trials, or the time is up."""
        done = bool(self.trials) and not any(trials.open for trials, _ in self.trials.values())
        return not out and (done or self.plan.deadline.over)

    def order(self, machine: Machine) -> Order | None:
        """The next round of this machine's trials."""
        identity, runtimes = machine.identity, [one for one in self.plan.runtimes if one.name in machine.runtimes]
        if identity not in self.trials and runtimes:
            self.trials[identity] = self.of(machine, runtimes[0])
        if identity not in self.trials:
            return None
        trials, known = self.trials[identity][0], self.references.get(identity, {})
        left = self.plan.deadline.left
        if not trials.open or left <= self.longest.get(identity, 0.0):
            return None
        number = len(trials.run.rounds) + 1
        seconds = None if number == 1 or left == float("inf") else left
        return Order(number, trials.cells(not known), references=known, seconds=seconds, burn=trials.burning)

    def again(self, order: Order, machine: Machine) -> Order | None:
        """Never: another machine's round says nothing of this one."""
        return None

    def idle(self, machines: Sequence[Machine]) -> bool:
        """Those that are there are done, or have no time for another round."""
        return bool(self.trials)

    def lost(self, order: Order, machine: Machine) -> None:
        """The machine's next one is the same again."""

    def keep(self, order: Order, machine: Machine, answer: Answer) -> None:
        """Look what trials it ends."""
        if answer.record is None:
            self.longest[machine.identity] = float("inf")
            return
        trials, save = self.trials[machine.identity]
        if not order.references:
            self.references[machine.identity] = answer.references
        self.longest[machine.identity] = max(answer.record.seconds, self.longest.get(machine.identity, 0.0) * SHORTER)
        trials.run.rounds.append(dataclasses.replace(answer.record, machine=None))
        self.progress.advance(f"{count(len(self.trials), 'machine')} so far")
        if trials.look():
            save()
            self.progress.say(f"{machine.address}: {trials.said()}")
