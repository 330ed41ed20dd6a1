"""Runs on disk: a folder a run, written after every round, read by everything that reports.

    results/RUN/run.json            what was run, on what: a RunRecord
    results/RUN/rounds/001.json     one round, never changed once written: a RoundRecord
    results/RUN/timings/RUNTIME.json  pyperf's format, one benchmark an engine, one pyperf run a round
    results/RUN/counters.json       exact counters of a step, where they were taken: a CountersRecord

The records below are the schema, field by field; ``results/SCHEMA.md`` says the same in words. Losses and
other floats whose bits matter are written as ``float.hex``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import pathlib
import re
from collections.abc import Callable
from typing import Any, Literal, TypeVar

import cattrs
import numpy as np
import numpy.typing as npt

from bench.host import round_files, suspicion, validity
from bench.host.errors import UsageError
from bench.host.parity import Finding, keeps, worst
from bench.workload.model_file import write_atomically
from bench.workload.runtime import jits

SCHEMA = 1
Status = Literal["ok", "diverged", "failed", "skipped"]
Cell = tuple[str, str]  # engine, runtime
GATE_ANSWER = "gate.json"  # in the folder of a run that the gate made
Floats = npt.NDArray[np.float64]
T = TypeVar("T")


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
    of, "cpu" or "wall" time.
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

    ``seconds`` of wall time, of which the host itself computed for ``host_cpu_seconds``.
    """

    schema: int
    number: int
    started: str
    seconds: float
    host_cpu_seconds: float
    cells: dict[str, CellRecord]


@dataclasses.dataclass(frozen=True)
class RunRecord:
    """What stands in run.json. ``notes``: what the reader of a table should know, a line each.

    ``kind``: the command that made it, as kinds.kind_of says also where an older version left it out.
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


class Run:
    """A run's record, rounds and counters, with the few questions that tables ask of them."""

    def __init__(
        self,
        folder: pathlib.Path,
        record: RunRecord,
        rounds: list[RoundRecord],
        counters: CountersRecord | None = None,
    ) -> None:
        self.folder, self.record, self.rounds, self.counters = folder, record, rounds, counters
        self.watch = round_files.Watch(folder, (entry.number for entry in rounds))
        self._waits: dict[tuple[Cell, int], str] = {}
        self._turns: list[suspicion.Turns] = []  # of the rounds looked at so far

    @property
    def cells(self) -> list[Cell]:
        """Every engine on every runtime, runtime by runtime."""
        return [(engine, runtime) for runtime in self.record.runtimes for engine in self.record.engines]

    @property
    def gated(self) -> bool:
        """Whether `microgpt-bench check` made it: its rounds have only the cells that were still open."""
        return (self.folder / GATE_ANSWER).exists()

    def of(self, cell: Cell) -> list[CellRecord]:
        """The cell's records, a round each."""
        return [entry.cells[key(cell)] for entry in self.rounds if key(cell) in entry.cells]

    def status(self, cell: Cell) -> tuple[Status, str]:
        """ok only if every round was, else the first other status and its reason."""
        records = self.of(cell)
        bad = next((record for record in records if record.status != "ok"), None)
        if bad is not None:
            return bad.status, bad.reason
        return ("ok", "") if records else ("skipped", "not measured")

    def times(self, cell: Cell, since: int = 0, clock: str | None = None) -> Floats:
        """Seconds per step, (rounds from index ``since`` on, steps), by the plan's clock unless the cell is off it.

        Only for a cell whose status is ok. A round that it was not measured in, as in the gate's runs, is NaN. Ratios are
        made of a `pair` of them.
        """
        records = [entry.cells.get(key(cell)) for entry in self.rounds[since:]]
        cpu = (clock or ("wall" if self.off_cpu(cell) else self.record.plan.clock)) == "cpu"
        missing = [math.nan] * self.record.plan.steps
        taken = [missing if one is None else one.cpu_nanoseconds if cpu else one.nanoseconds for one in records]
        return np.array([times or missing for times in taken], dtype=np.float64) * 1e-9

    def pair(self, baseline: Cell, cell: Cell, since: int = 0) -> tuple[Floats, Floats]:
        """The times that a ratio of two cells is made of: both on the wall's clock where one is off processor time."""
        clock = "wall" if self.off_cpu(baseline) or self.off_cpu(cell) else None
        return self.times(baseline, since, clock), self.times(cell, since, clock)

    def off_cpu(self, cell: Cell) -> str:
        """Why this cell's processor time does not say how long its steps take; "" where it does."""
        if self.record.plan.clock != "cpu":
            return ""
        records = self.of(cell)
        told = next((record.off_cpu for record in records if record.off_cpu), "")
        if not told and any(time <= 0 for record in records for time in record.cpu_nanoseconds):
            told = "its processor clock ticks too coarsely"
        return told or self.waits(cell)

    def waits(self, cell: Cell) -> str:
        """In words, how much of the cell's time is explained by nothing that the machine did; "" where all is."""
        rounds = len(self.rounds)  # they are added, and never changed
        if (cell, rounds) not in self._waits:
            self._turns += map(suspicion.turns_of, self.rounds[len(self._turns) :])
            self._waits[cell, rounds] = suspicion.waits(self.rounds, key(cell), self._turns)
        return self._waits[cell, rounds]

    def seconds(self, cell: Cell) -> Floats:
        """Seconds per step on the wall's clock, (rounds, steps). Only for a cell whose status is ok."""
        return np.array([record.nanoseconds for record in self.of(cell)]) * 1e-9

    def finding(self, cell: Cell) -> Finding | None:
        """Parity with the reference over all rounds; None where nothing was compared."""
        findings = [record.finding for record in self.of(cell) if record.finding is not None]
        return worst(findings) if findings else None

    def nodes(self, engine: str) -> float | None:
        """Graph nodes per step, a mean over the first steps; the same on every runtime."""
        counts = [
            record.nodes for runtime in self.record.runtimes for record in self.of((engine, runtime)) if record.nodes
        ]
        return float(np.mean(counts[0])) if counts else None

    def samples_seconds(self, cell: Cell) -> float | None:
        """Wall seconds for all samples of the cell; measured once, None where it was not."""
        found = [record.samples_nanoseconds for record in self.of(cell) if record.samples_nanoseconds]
        return found[0] * 1e-9 if found else None

    def samples(self, cell: Cell) -> list[str] | None:
        """What the trained model drew, None where it did not."""
        return next((record.samples for record in self.of(cell) if record.samples is not None), None)

    def peak_bytes(self, cell: Cell) -> int | None:
        """The worker's largest resident memory over the rounds."""
        return max((record.peak_bytes for record in self.of(cell) if record.peak_bytes), default=None)

    def broken_promises(self) -> list[Cell]:
        """Cells found to be worse than their engine promises, diverged ones included."""
        broken = []
        for cell in self.cells:
            finding, promised = self.finding(cell), self.record.engines[cell[0]].parity
            if finding and not keeps(finding, promised):
                broken.append(cell)
        return broken

    def good(self) -> bool:
        """Did every cell that could run measure, agree and keep its promise?"""
        return not self.broken_promises() and all(self.status(cell)[0] in ("ok", "skipped") for cell in self.cells)


# --------------------------------------------------------------------- writing


def to_json(record: Any, indent: int | None = 1) -> str:
    """A record as it is written."""
    return json.dumps(cattrs.unstructure(record), indent=indent, ensure_ascii=False) + "\n"


def write_json(path: pathlib.Path, record: Any, indent: int | None = 1) -> None:
    """A record as JSON, the whole file or nothing."""
    write_atomically(path, to_json(record, indent))


NAME = re.compile(r"\w[\w .,+=@~#()-]*")
DATED = re.compile(r"([a-z]+-)?\d{8}-\d{6}")  # of a run that was given no name
DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # no folder's name on Windows


def check_name(name: str | None) -> None:
    """Raises UsageError for what can't be the name of a run's folder, or that commands take for something else."""
    if name is None:
        return
    if name == "latest":
        raise UsageError("--name latest means the latest run, whatever its name: give another one")
    if not NAME.fullmatch(name) or name.endswith((".", " ")) or DEVICES.fullmatch(name) or len(name.encode()) > 200:
        raise UsageError(
            f"--name {name[:40]!r} must be the name of one folder, on every system: give letters, digits and . , + - = @ _ inside, at"
            " most 200 bytes; say where with --results"
        )
    if name.lower().endswith(".json"):
        raise UsageError(f"--name {name} would be taken for a file: leave .json out")


def create(folder: pathlib.Path, record: RunRecord) -> Run:
    """Make the run's folder; of a default name that another run of the same second has, one with -2 and so on.

    Raises UsageError if it is there already or can't be made.
    """
    try:
        folder = _make(folder)
        write_json(folder / "run.json", record)
    except FileExistsError:
        raise UsageError(f"{folder} exists already: give another --name, or go on with --resume {folder}") from None
    except OSError as error:
        raise UsageError(
            f"cannot write results to {folder}: {error.strerror}: choose another --results folder"
        ) from None
    return Run(folder, record, [])


def _make(folder: pathlib.Path) -> pathlib.Path:
    """Make the folder, and give it. Raises OSError."""
    numbers = range(2, 1000) if DATED.fullmatch(folder.name) else ()
    for path in (folder, *(folder.with_name(f"{folder.name}-{number}") for number in numbers)):
        with contextlib.suppress(FileExistsError):
            (path / "rounds").mkdir(parents=True, exist_ok=False)
            return path
    raise FileExistsError(folder)


def update(run: Run, record: RunRecord) -> None:
    """Replace run.json: engines describe themselves, and notes come, while a run goes on."""
    write_json(run.folder / "run.json", record)
    run.record = record


def add_round(run: Run, entry: RoundRecord) -> None:
    """Save a finished round, in a file that is never replaced.

    Raises UsageError where earlier rounds' files are not as they were, or this one's is there already; all that is known
    of is on disk then.
    """
    trouble = _look_after_rounds(run)
    path = round_files.path_of(run.folder, entry.number)
    try:
        round_files.write_new(path, to_json(entry))
    except FileExistsError:
        other = path.with_name(f"{path.stem}-of-process-{os.getpid()}.json")
        write_json(other, entry)
        trouble.append(f"{path.name} is there already, so round {entry.number} is in {other.name}")
    else:
        run.watch.written(entry.number)
        run.rounds.append(entry)
    if trouble:
        raise UsageError(
            f"something else writes into {run.folder / 'rounds'} while the run is measured: {'; '.join(trouble)}."
            f" Find out what, then go on with: microgpt-bench run --resume {run.folder}"
        )


def _look_after_rounds(run: Run) -> list[str]:
    """Write again what is missing of a run that goes on, and say so; say also which rounds were changed."""
    if not (run.folder / "run.json").is_file() or not (run.folder / "rounds").is_dir():
        (run.folder / "rounds").mkdir(parents=True, exist_ok=True)
        write_json(run.folder / "run.json", run.record)
    found, known = [], {entry.number: entry for entry in run.rounds}
    for number in run.watch.missing():
        path = round_files.path_of(run.folder, number)
        round_files.write_new(path, to_json(known[number]))
        run.watch.written(number)
        found.append(f"{path.name} was removed, and is written again from memory")
    for number in run.watch.touched():
        path = round_files.path_of(run.folder, number)
        try:
            # through the reader both: a whole number may stand where it makes a float
            there, ours = read(path, RoundRecord), json.loads(to_json(known[number]))
            same = to_json(there) == to_json(_converter.structure(ours, RoundRecord))
        except UsageError:
            same = False
        if not same:
            found.append(f"{path.name} was changed, and is left so: restore it")
    return found


def save_counters(run: Run, counters: CountersRecord) -> None:
    """Write counters.json, or replace it: counters are added a cell at a time, any time after the run."""
    try:
        write_json(run.folder / "counters.json", counters)
    except OSError as error:
        raise UsageError(f"cannot write to {run.folder}: {error.strerror}") from None
    run.counters = counters


def export_pyperf(run: Run) -> None:
    """Write timings/RUNTIME.json: a value is the mean seconds per step of one round, because rounds are the replicates."""
    import pyperf

    folder = run.folder / "timings"
    folder.mkdir(exist_ok=True)
    for runtime, about in run.record.runtimes.items():
        benchmarks = []
        for engine in run.record.engines:
            cell = (engine, runtime)
            if run.status(cell)[0] != "ok":
                continue
            finding = run.finding(cell)
            details = {
                "name": engine,
                "unit": "second",
                "inner_loops": 1,
                "python_version": about.described["build"].split("[")[0].strip(),
                "python_implementation": about.described["implementation"],
                "python_compiler": about.described["compiler"],
                "cpu_model_name": str(run.record.machine["cpu"]),
                "platform": str(run.record.machine["platform"]),
                "parity": str(finding.parity) if finding else "",
                "workload": f"{run.record.workload.data}, {run.record.plan.steps} steps from the seeded state",
                "jit": jits(about.described),
                "gil": int(about.described["gil"]),
            }
            details = {name: value for name, value in details.items() if value != ""}
            values = run.seconds(cell).mean(axis=1)
            benchmarks.append(
                pyperf.Benchmark(
                    [pyperf.Run([float(value)], metadata=details, collect_metadata=False) for value in values]
                )
            )
        if benchmarks:
            part = folder / f".{runtime}.json.part"
            pyperf.BenchmarkSuite(benchmarks).dump(str(part), compact=False, replace=True)
            os.replace(part, folder / f"{runtime}.json")


# --------------------------------------------------------------------- reading


_converter = validity.converter()
_CHECKS: dict[type, Callable[[Any], None]] = {
    RunRecord: validity.check_run,
    RoundRecord: validity.check_round,
    CountersRecord: validity.check_counters,
}


def read(path: pathlib.Path, kind: type[T], check: Callable[[T], None] | None = None) -> T:
    """A record of this kind, after ``check``. Raises UsageError for a missing, damaged or too new file."""
    try:
        raw = validity.parse(path)
        if not isinstance(raw, dict):
            raise ValueError("it holds no table")
        schema = raw["schema"]
        if isinstance(schema, int) and schema > SCHEMA:
            raise UsageError(
                f"{path} has schema {schema}, from a newer microgpt-bench; this one reads up to {SCHEMA}: upgrade it"
            )
        record: T = _converter.structure(raw, kind)
        (check or _CHECKS.get(kind, lambda _: None))(record)
        return record
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except UsageError:
        raise
    except Exception as error:  # whatever is wrong with the file, cattrs and json have many words for it
        raise damaged(path, error) from None


def damaged(path: pathlib.Path, error: BaseException) -> UsageError:
    """What is said of a file that holds what it can't."""
    return UsageError(f"{path} is damaged ({validity.reason(error)}): restore it or measure again")


def load(folder: pathlib.Path) -> Run:
    """Read a run with its rounds. Raises UsageError for a missing, damaged or too new one."""
    if not (folder / "run.json").is_file():
        raise UsageError(f"{folder} is not a run: it has no run.json")
    record: RunRecord = read(folder / "run.json", RunRecord)
    rounds: list[RoundRecord] = []
    for expected, number in enumerate(round_files.numbers(folder), 1):
        if number != expected:
            raise UsageError(f"{folder}/rounds lacks round {expected}: restore it or measure again")
        path = round_files.path_of(folder, number)
        entry = read(path, RoundRecord)
        if entry.number != number:
            raise UsageError(f"{path} holds round {entry.number}: restore it or measure again")
        rounds.append(entry)
        try:
            validity.check_round_of(entry, record.plan)
        except ValueError as error:
            raise damaged(path, error) from None
    counters = folder / "counters.json"
    return Run(folder, record, rounds, read(counters, CountersRecord) if counters.exists() else None)
