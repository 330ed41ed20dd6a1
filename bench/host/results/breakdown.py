"""Where the time of a run's cells goes: breakdown.json beside the run, counts and samples by function of the interpreter."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

from bench.host.results import store
from bench.host.results.records import SCHEMA
from bench.host.results.run import Run
from bench.host.system.errors import UsageError
from bench.workload.phases import ENDS

Counts = list[float]  # of a step: instructions, misses of the first level caches, misses of the second level cache
# of the simulation: bytes, ways, bytes of a line. callgrind calls the last one LL; it stands for the second level here,
# the last one that a core has alone
CACHES = {"I1": (32768, 8, 64), "D1": (49152, 12, 64), "LL": (1048576, 16, 64)}
SMALL = 1e-4  # of a cell's instructions or samples: functions below are kept as one
REST = "(rest)"
MOST = 1e18  # of anything that can be counted


@dataclasses.dataclass(frozen=True)
class CellBreakdown:
    """A cell's. ``phases``: by phase and function, counts of a step; ``samples``: by function. ``failed``: why there are none."""

    phases: dict[str, dict[str, Counts]] = dataclasses.field(default_factory=dict)
    samples: dict[str, int] = dataclasses.field(default_factory=dict)
    failed: str = ""


@dataclasses.dataclass(frozen=True)
class BreakdownRecord:
    """What stands in breakdown.json. ``cells`` as in a round; ``valgrind`` and ``perf``: their versions."""

    schema: int
    valgrind: str
    perf: str
    cells: dict[str, CellBreakdown]


def kept(run: Run) -> BreakdownRecord:
    """What a run's cells were broken down to so far. Raises UsageError for a damaged file."""
    path = run.folder / "breakdown.json"
    return store.read(path, BreakdownRecord, check) if path.exists() else BreakdownRecord(SCHEMA, "", "", {})


def save(run: Run, record: BreakdownRecord) -> None:
    """Write it, whole or not at all. Raises UsageError where that cannot be done."""
    try:
        store.write_json(pathlib.Path(run.folder) / "breakdown.json", record, indent=None)
    except OSError as error:
        raise UsageError(f"cannot write to {run.folder}: {error.strerror}") from None


def thinned(phases: dict[str, dict[str, Counts]]) -> dict[str, dict[str, Counts]]:
    """The same with functions of next to no instructions as one, and counts to a tenth."""
    total = sum(counts[0] for functions in phases.values() for counts in functions.values())
    kept: dict[str, dict[str, Counts]] = {}
    for phase, functions in phases.items():
        kept[phase] = {}
        for function, counts in sorted(functions.items(), key=lambda item: -item[1][0]):
            into = kept[phase].setdefault(function if counts[0] >= SMALL * total else REST, [0.0] * 3)
            into[:] = [round(a + b, 1) for a, b in zip(into, counts)]
    return kept


def thinned_samples(samples: dict[str, int]) -> dict[str, int]:
    """The same with functions of next to no samples as one."""
    total, kept = sum(samples.values()), dict[str, int]()
    for function, count in sorted(samples.items(), key=lambda item: -item[1]):
        function = function if count >= SMALL * total else REST
        kept[function] = kept.get(function, 0) + count
    return kept


def check(record: Any) -> None:
    """Raises ValueError for what can't be counts."""
    for name, cell in record.cells.items():
        if cell.failed:
            continue
        if unknown := [phase for phase in cell.phases if phase not in ENDS]:
            raise ValueError(f"{name}: there is no phase {unknown[0]!r:.60}")
        counts = [counts for functions in cell.phases.values() for counts in functions.values()]
        if any(len(three) != 3 or not all(0 <= count < MOST for count in three) for three in counts):
            raise ValueError(f"{name}: expected three counts of each function")
        if not all(0 <= count < MOST for count in cell.samples.values()):
            raise ValueError(f"{name}: expected numbers of samples")
        if not all(sum(three[i] for three in counts) for i in range(3)) or not sum(cell.samples.values()):
            raise ValueError(f"{name}: it has no instructions, misses or samples")
