"""What combinations of the engine family's switches cost: ``interactions.json`` of a run's folder."""

from __future__ import annotations

import dataclasses
import itertools
import pathlib
from collections.abc import Mapping, Sequence

from bench.host.results import checks, store, switches
from bench.host.results.parity import Agreement, Finding
from bench.host.results.run import Run
from bench.host.results.shapes import at_least
from bench.host.results.switches import Combination
from bench.host.system.errors import UsageError

FILE = "interactions.json"


@dataclasses.dataclass(frozen=True)
class Counted:
    """Instructions and graph nodes of a step, exact, and how its losses, gradients and weights compare with the reference's."""

    instructions: float
    nodes: float
    finding: Finding


@dataclasses.dataclass(frozen=True)
class InteractionsRecord:
    """What was counted on one runtime. ``config``: the model; ``positions``: of its context, where instructions were counted.

    ``engines``: by the name of the combination. ``failed``: what went wrong with the others. ``design``: the combinations that
    were timed to fit effects to, beside others that were timed for themselves.
    """

    schema: int
    valgrind: str
    runtime: str
    config: dict[str, str | int | float]
    positions: int
    engines: dict[str, Counted]
    failed: dict[str, str] = dataclasses.field(default_factory=dict)
    design: list[str] = dataclasses.field(default_factory=list)

    @property
    def costs(self) -> dict[Combination, float]:
        """Instructions a step, of every combination that agrees with the reference."""
        return {
            switches.parse(name): one.instructions
            for name, one in self.engines.items()
            if one.finding.parity is not Agreement.DIVERGED
        }


@dataclasses.dataclass(frozen=True)
class Interactions:
    """A run of combinations on one runtime, and what was counted of all of them."""

    run: Run
    record: InteractionsRecord

    @property
    def runtime(self) -> str:
        """The runtime's name."""
        return self.record.runtime

    def good(self) -> bool:
        """Whether every combination agreed with the reference, those that were timed at every step."""
        diverged = [one for one in self.record.engines.values() if one.finding.parity is Agreement.DIVERGED]
        return not diverged and not self.record.failed and self.run.good()


def load(folder: pathlib.Path) -> Interactions:
    """Read a run's interactions.json beside it. Raises UsageError."""
    if not (folder / FILE).is_file():
        raise UsageError(f"{folder} has no {FILE}: microgpt-bench interactions makes one")
    return Interactions(store.load(folder), read(folder / FILE))


def read(path: pathlib.Path) -> InteractionsRecord:
    """The record alone. Raises UsageError for a missing or damaged one."""
    return store.read(path, InteractionsRecord, check)


def check(record: InteractionsRecord) -> None:
    """Raise ValueError for what cannot be."""
    checks.check_config(record.config)
    for name, one in record.engines.items():
        switches.parse(name)
        at_least(one.instructions, 1, f"instructions of {name}")
        at_least(one.nodes, 1, f"nodes of {name}")
    for name in (*record.failed, *record.design):
        switches.parse(name)
    if switches.name(()) not in record.engines:
        raise ValueError(f"it lacks {switches.name(())}, what the others are compared with")


# --------------------------------------------------------------------- orders in which to add switches


def ladder(costs: Mapping[Combination, float], best: bool = True) -> list[Combination]:
    """From no switch on, one more each time: that of the largest gain, or with ``best`` False of the smallest, to the same end.

    The end is where no further switch makes the cost smaller. ``costs``: of each combination, as in instructions.
    """
    if not best:
        end = set(ladder(costs)[-1])
    rungs: list[Combination] = [()]
    while True:
        current = rungs[-1]
        further = [
            one
            for one in costs
            if len(one) == len(current) + 1 and set(one) > set(current) and (best or set(one) <= end)
        ]
        if not further:
            return rungs
        chosen = min(further, key=lambda one: costs[one]) if best else max(further, key=lambda one: costs[one])
        if best and costs[chosen] >= costs[current]:
            return rungs
        rungs.append(chosen)


def added(rungs: Sequence[Combination]) -> list[str]:
    """The switch that each rung after the first adds."""
    return [next(iter(set(after) - set(before))) for before, after in itertools.pairwise(rungs)]
