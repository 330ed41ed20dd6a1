"""What a breakdown says of a cell, by group of the interpreter's functions and by phase."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable

import numpy as np

from bench.host.pages.symbols import UNMAPPED, groups
from bench.host.results.breakdown import BreakdownRecord, CellBreakdown, Counts
from bench.host.results.records import REFERENCE, Cell, key
from bench.host.results.run import Run

MISSES = "cache misses"
# the phases of a step, as the page calls them
PHASES = {
    "forward": "graph building",
    "sort": "sort",
    "backward": "chain rule",
    "update": "Adam",
    "freeing": "freeing the graph",
}


@dataclasses.dataclass(frozen=True)
class Broken:
    """A cell with its breakdown. Counts are of a step; costs are in instructions: those, and what misses are worth."""

    cell: Cell
    found: CellBreakdown
    seconds: float  # of a step: the reference's median over the speedup

    @functools.cached_property
    def by_group(self) -> dict[str, Counts]:
        """Instructions and misses by group."""
        return self._by(lambda phase, function: groups().of(function))

    @functools.cached_property
    def by_phase(self) -> dict[str, Counts]:
        """Instructions and misses by phase."""
        return self._by(lambda phase, function: phase)

    @functools.cached_property
    def by_function(self) -> dict[str, Counts]:
        """Instructions and misses by function."""
        return self._by(lambda phase, function: function)

    @functools.cached_property
    def total(self) -> Counts:
        """Instructions, misses of the first and of the second level."""
        return [float(sum(counts[i] for counts in self.by_group.values())) for i in range(3)]

    def cost(self, counts: Counts | None = None) -> float:
        """What counts, or all of them, are worth in instructions."""
        counts = self.total if counts is None else counts
        return counts[0] + missed(counts)

    @functools.cached_property
    def counted(self) -> dict[str, float]:
        """The share of each group in the cost, its misses with it."""
        return {group: self.cost(counts) / self.cost() for group, counts in self.by_group.items()}

    @functools.cached_property
    def sampled(self) -> dict[str, float]:
        """The share of each group in the samples."""
        shares: dict[str, float] = {}
        for function, count in self.found.samples.items():
            group = groups().of(function)
            shares[group] = shares.get(group, 0.0) + count / self.samples
        return shares

    @property
    def samples(self) -> int:
        """How many there are."""
        return sum(self.found.samples.values())

    def phases_of(self, group: str) -> dict[str, float]:
        """A group's instructions in each phase."""
        return {
            phase: sum(counts[0] for function, counts in functions.items() if groups().of(function) == group)
            for phase, functions in self.found.phases.items()
        }

    def _by(self, name: Callable[[str, str], str]) -> dict[str, Counts]:
        sums: dict[str, Counts] = {}
        for phase, functions in self.found.phases.items():
            for function, counts in functions.items():
                into = sums.setdefault(name(phase, function), [0.0, 0.0, 0.0])
                into[:] = [a + b for a, b in zip(into, counts)]
        return sums


def missed(counts: Counts) -> float:
    """What the misses among counts are worth, in instructions."""
    first, second = groups().costs
    return first * counts[1] + second * counts[2]


def broken(run: Run, record: BreakdownRecord) -> dict[Cell, Broken]:
    """The run's cells that are broken down and count, on runtimes where the reference does too."""
    found = {}
    for engine, runtime in run.cells:
        cell, base = (engine, runtime), (REFERENCE, runtime)
        known = record.cells.get(key(cell))
        if known is None or known.failed or not run.ok(cell) or not run.ok(base):
            continue
        speedup = run.speedup(engine, runtime)
        if speedup is not None:
            found[cell] = Broken(cell, known, float(np.nanmedian(run.times(base))) / speedup.value)
    return found


def in_order(present: Iterable[str]) -> list[str]:
    """Groups in the order of symbols.toml, then what has none."""
    wanted = set(present)
    return [group for group in (*groups().about, UNMAPPED) if group in wanted]
