"""What stands in a run's files, field by field: the schema. ``results/SCHEMA.md`` says the same in words.

Losses and other floats whose bits matter are written as ``float.hex``.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from bench.host.results.parity import Finding

SCHEMA = 1
REFERENCE = "reference"  # the engine that others are compared with
LEAD_IN = 6  # untimed steps of a process before the first that is timed: by then memory is as the engine's own updates have it
SAMPLES = 5  # drawn from the trained model, in the first round
NODES_STEPS = 20  # steps whose graph nodes are counted, in the first round
Status = Literal["ok", "diverged", "failed", "skipped"]
Cell = tuple[str, str]  # engine, runtime
GATE_ANSWER = "gate.json"  # in the folder of a run that the gate made
Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class WorkloadRecord:
    """What every cell did: ``config`` are the fields of bench.workload.config.Config."""

    data: str
    sha256: str
    documents: int
    vocabulary: int
    parameters: int
    config: dict[str, str | int | float]


@dataclasses.dataclass(frozen=True)
class EngineRecord:
    """An engine as it described itself, ``source_sha256`` of its file, or of all that it brings; ``path`` only where it is a user's own file."""

    summary: str
    parent: str | None
    change: str
    parity: str
    source_sha256: str
    path: str | None = None
    collector: str = "on"


@dataclasses.dataclass(frozen=True)
class RuntimeRecord:
    """An interpreter build: the ``--python`` value that finds it, its switches, and what it says of itself."""

    specification: str
    environment: dict[str, str]
    described: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class PlanRecord:
    """How it was to be measured. ``turn_seconds``: a shorter turn is filled with repeats of its step.

    ``affinity``: the only CPUs that workers may run on; None leaves it to the system. ``clock``: what ratios are made
    of, "cpu" or "wall" time. ``at``: the steps of the training run that are timed, from 1, each begun with the run's own
    state there, and ``states_sha256`` of these states; None for its first ``steps``. ``aged``: every process's memory was put
    in a long run's disorder before them (bench.workload.aging); ``lead_in``: and then so many of the run's first steps
    trained, untimed. ``part``: [k, n] of a plan that n machines share. ``fewest``: of the rounds, after which it ends as
    soon as its intervals are narrow; None: it has all of them.
    """

    steps: int
    rounds: int
    turn_seconds: float
    timeout_seconds: float
    budget_seconds: float | None
    gc: str
    order_seed: int
    affinity: list[int] | None = None
    clock: str = "wall"
    at: list[int] | None = None
    lead_in: int = 0
    states_sha256: str = ""
    part: list[int] | None = None
    aged: bool = False
    fewest: int | None = None

    @property
    def which(self) -> tuple[list[int], int, bool]:
        """Which steps are timed, in processes of what past: times of others are not comparable."""
        return self.numbers, self.lead_in, self.aged

    @property
    def numbers(self) -> list[int]:
        """Which steps of the training run are timed, from 1."""
        return list(range(1, self.steps + 1)) if self.at is None else self.at

    def planned(self, number: int) -> int:
        """Which round of the whole plan, from 1, the round of this ``number`` is: part k of n has rounds k, k + n and so on."""
        return number if self.part is None else self.part[0] + (number - 1) * self.part[1]


@dataclasses.dataclass(frozen=True)
class CellRecord:
    """One cell in one round. Both times are per step, means over ``repeats`` of it; ``nodes`` of the first steps.

    ``nanoseconds`` passed on the clock, ``cpu_nanoseconds`` are those in which the worker had a processor, children
    that it waited for included; none where ``off_cpu`` says why they can't be had. In ``delay_nanoseconds`` it could have
    run and had no processor; ``yields``: how often it gave it away to wait. In processor time too: ``first_nanoseconds`` of the first of the repeats, ``own_nanoseconds`` of
    the last, which is the step itself.
    """

    status: Status
    reason: str = ""
    losses: list[str] = dataclasses.field(default_factory=list)
    validations: list[str] = dataclasses.field(default_factory=list)  # after each step that one follows
    nanoseconds: list[float] = dataclasses.field(default_factory=list)
    cpu_nanoseconds: list[float] = dataclasses.field(default_factory=list)
    delay_nanoseconds: list[float] = dataclasses.field(default_factory=list)
    yields: list[float] = dataclasses.field(default_factory=list)
    first_nanoseconds: list[float] = dataclasses.field(default_factory=list)
    own_nanoseconds: list[float] = dataclasses.field(default_factory=list)
    off_cpu: str = ""
    repeats: int = 1
    finding: Finding | None = None
    parameters_sha256: str | None = None
    peak_bytes: int | None = None
    nodes: list[int] | None = None
    samples: list[str] | None = None  # drawn after the last step
    samples_nanoseconds: int | None = None  # all of them, on the wall's clock
    samples_delay_nanoseconds: int | None = None  # of them it could have run and had no processor
    start_nanoseconds: int | None = None  # to import the engine and come to the first gradients, such delays left out


@dataclasses.dataclass(frozen=True)
class RoundRecord:
    """One round: fresh processes, every cell. ``cells`` by engine and runtime, joined by @.

    ``seconds`` of wall time, of which the host itself computed for ``host_cpu_seconds``. ``machine``: that it was
    measured on, where it is not simply the run's; ``planned``: which of the plan's rounds it is, where it is not ``number``.
    """

    schema: int
    number: int
    started: str
    seconds: float
    host_cpu_seconds: float
    cells: dict[str, CellRecord]
    machine: dict[str, str | int | float] | None = None
    planned: int | None = None


@dataclasses.dataclass(frozen=True)
class RunRecord:
    """What stands in run.json. ``notes``: what the reader of a table should know, a line each.

    ``kind``: the command that made it, as kinds.kind_of says also where an older version left it out. ``merged``: the
    names of the runs whose rounds these are.
    """

    schema: int
    created: str
    version: str
    command: str
    workload: WorkloadRecord
    plan: PlanRecord
    machine: dict[str, str | int | float]
    runtimes: dict[str, RuntimeRecord]
    engines: dict[str, EngineRecord]
    notes: list[str]
    source_sha256: str
    kind: str = ""
    merged: list[str] | None = None


@dataclasses.dataclass(frozen=True)
class CounterRecord:
    """A cell's exact counters: means a step over ``cycle`` documents; None where there is no such counter.

    ``instructions``: the difference of two counts, of ``steps[0]`` and ``steps[1]`` steps; ``not_counted`` says why not.
    ``failed``: why there are no counters at all.
    """

    cycle: int
    instructions: float | None = None
    steps: list[int] | None = None
    nodes: float | None = None
    blocks: float | None = None
    peak_bytes: float | None = None
    collector_share: float | None = None
    collections: float | None = None
    not_counted: str = ""
    failed: str = ""


@dataclasses.dataclass(frozen=True)
class CountersRecord:
    """What stands in counters.json. ``cells`` as in a round; ``valgrind``: its version, empty where there was none."""

    schema: int
    created: str
    valgrind: str
    notes: list[str]
    cells: dict[str, CounterRecord]


def key(cell: Cell) -> str:
    """A cell's name in a round's file."""
    return "@".join(cell)


@dataclasses.dataclass(frozen=True)
class ClaimsRecord:
    """claims.json: by runtime what its experiments said, as bench.workload.experiments returns it."""

    schema: int
    runtimes: dict[str, dict[str, Any]]
