"""What is to be measured: the engine of each row, on which runtimes, how often."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from bench.host.measure.trajectory import Trajectory, starts
from bench.host.results.records import REFERENCE, Cell, PlanRecord
from bench.host.system.deadline import Deadline
from bench.host.system.interpreters import Runtime


@dataclasses.dataclass(frozen=True)
class Subject:
    """What stands behind a row's name: an engine, by name or file, from a copy of the sources that workers import.

    ``slowdown`` is injected, to prove that it is found: 0.05 makes each timed step 5 % longer. ``config``: sizes of its
    own in place of the plan's. ``reference``: the row whose losses prove this one's.
    """

    loads: str
    source: pathlib.Path
    slowdown: float = 0.0
    config: Mapping[str, Any] | None = None
    reference: str = REFERENCE


@dataclasses.dataclass(frozen=True)
class Before:
    """What rows are held against at a git revision, shown as ``label``: ``baselines`` has the baseline row of each that has one.

    ``new`` rows have none; the engines ``removed`` are not there any more; ``notes`` are for the reader of the verdicts.
    """

    label: str
    baselines: Mapping[str, str]
    new: Sequence[str]
    removed: Sequence[str]
    notes: Sequence[str]


@dataclasses.dataclass(frozen=True)
class Plan:
    """What to measure, and until when. ``engines``: row name to what the workers load for it."""

    engines: Mapping[str, Subject]
    runtimes: list[Runtime]
    documents: pathlib.Path
    config: dict[str, Any]
    settings: PlanRecord
    deadline: Deadline = dataclasses.field(default_factory=Deadline)
    before: Before | None = None
    trajectory: Trajectory | None = None

    @property
    def cells(self) -> list[Cell]:
        """Every engine on every runtime."""
        return [(engine, runtime.name) for runtime in self.runtimes for engine in self.engines]

    def weights_follow(self, turn: int) -> bool:
        """Whether the weights are read after a turn's step: as the last one, or as another state is then taken over."""
        numbers = self.settings.numbers
        return turn == len(numbers) or (
            self.trajectory is not None and self.trajectory.state(numbers[turn]) is not None
        )

    def orders(self, rounds_done: int) -> int:
        """Orders still to give where nothing fails: a start, the steps with their states, and an end a cell; samples and nodes once."""
        rounds = self.settings.rounds - rounds_done
        first_round = 0 if rounds_done else len(self.engines) + len(self.cells)
        way = self.trajectory
        taken = len(starts(way.at, way.lead_in)) + way.lead_in + self.settings.aged if way else 0
        return rounds * len(self.cells) * (self.settings.steps + taken + 2) + first_round
