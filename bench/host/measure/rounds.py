"""The one driver of rounds: their numbers, the budget, what references said in earlier ones, and saving.

A round starts a fresh worker process per cell (`bench.host.measure.round`); each is kept as soon as it is done.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from bench.host.measure.answers import one_line
from bench.host.measure.cell import CellState
from bench.host.measure.plan import Plan
from bench.host.measure.round import Round
from bench.host.results import store
from bench.host.results.records import Cell
from bench.host.results.run import Run
from bench.host.system.deadline import OutOfTime
from bench.host.system.progress import Progress

SHORTER = 0.9  # of the longest round so far is what the next takes at least: rounds get shorter as cells are done


class Rounds:
    """Adds rounds to a run, one at a time, while the plan's budget lasts.

    ``save``: on disk, with what its workers said of their engines; otherwise they stay in memory. ``reference_cells``:
    what references said in earlier rounds, and will say in these, for cells to be proven by; None: every round proves its
    cells by its own references.
    """

    def __init__(
        self,
        plan: Plan,
        run: Run,
        progress: Progress,
        save: bool = True,
        reference_cells: dict[Cell, CellState] | None = None,
    ) -> None:
        self.plan, self.run, self.progress, self.save = plan, run, progress, save
        self.reference_cells = reference_cells
        # of a run that is resumed, the first round's record has samples and nodes in its time
        self.longest = max((entry.seconds for entry in run.rounds[1:] or run.rounds), default=0.0) if save else 0.0

    @property
    def time_left(self) -> bool:
        """Whether another round fits into the budget; the run's first always does."""
        return not self.run.rounds or self.plan.deadline.left >= self.longest

    def add(
        self, cells: Sequence[Cell], first_look: bool = False, samples: int = 0, nodes: bool = False
    ) -> Round | None:
        """One more round, as `Round` has it; None where the budget ended in it. Raises UsageError, Interrupted."""
        number, planned = len(self.run.rounds) + 1, self._planned()
        current = Round(self.plan, planned, cells, self.progress, self.reference_cells, first_look, samples, nodes)
        try:
            entry = current.run()
        except OutOfTime:
            return None
        if planned != number:
            entry = dataclasses.replace(entry, number=number, planned=planned)
        self.say_if_over(number)
        self.longest = max(entry.seconds - current.first_round_seconds, SHORTER * self.longest)
        if self.save:
            self._describe_engines(current)
            store.add_round(self.run, entry)
        else:
            self.run.rounds.append(entry)
        if self.reference_cells is not None:
            self.reference_cells.update(current.references())
        return current

    def _planned(self) -> int:
        """The first of the plan's rounds that is not done: of a run that a pool measured, others may be."""
        done = {entry.planned or entry.number for entry in self.run.rounds}
        return next(number for number in itertools.count(1) if number not in done)

    def say_if_over(self, number: int) -> None:
        """A line where the first round, which is always done in full, took longer than all was to take."""
        deadline = self.plan.deadline
        if number == 1 and deadline.over:
            self.progress.say(
                f"{deadline} were too short for the first round, which is done in full: {deadline.spent:.0f} s"
            )

    def _describe_engines(self, current: Round) -> None:
        states = current.states.items()
        describe_engines(self.run, {cell[0]: said for cell, state in states if (said := state.started.get("engine"))})


def describe_engines(run: Run, said: Mapping[str, Mapping[str, Any]]) -> None:
    """Fill in what only a worker can say of its engine: what the engine file says of itself."""
    known = dict(run.record.engines)
    for engine, about in said.items():
        if not known[engine].summary:
            known[engine] = dataclasses.replace(
                known[engine],
                summary=one_line(about["summary"]),
                parent=about["parent"] and one_line(about["parent"], 60),
                change=one_line(about["change"]),
                parity=about["parity"],
                collector=about.get("collector", "on"),
            )
    if known != run.record.engines:
        store.update(run, dataclasses.replace(run.record, engines=known))
