"""How long a cell takes to get to its steady speed: JITs compile, caches fill, and some engines slow down as they go.

Each step's time is the median over the rounds, over what a document of its length takes in the run's second half (a
straight line through time and positions, by least squares). Where the logarithm of that changes its level is found by
change points (`bench.host.stats.change_points`), after Barrett, Bolz-Tereick, Killick, Mount and Tratt 2017, "Virtual Machine
Warmup Blows Hot and Cold", whose words for what comes out these are. The last level is the steady state if it is long
enough to be one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from bench.host.results.records import REFERENCE, Cell
from bench.host.results.run import Run
from bench.host.stats.change_points import level_changes
from bench.host.stats.noise import Floats
from bench.host.stats.paired import Ratio
from bench.host.system.errors import UsageError

FEWEST = 20  # steps in which a level can be told from a change
SHORTEST = 5  # steps of a level
STEADY = 0.25  # share of the steps that the last level has to have
EQUAL = 0.05  # levels nearer than this to the steady one are it


@dataclasses.dataclass(frozen=True)
class WarmUp:
    """A cell's way to its steady state: ``kind``, and after how many ``steps`` it was there, None where it was not.

    ``cold`` and ``steady`` are speedups over the reference on the same runtime: in the first steps, and in those in which
    both are steady; None where there is no such number. ``relative``: each step's time over its length's in the second half.
    """

    cell: Cell
    kind: str
    steps: int | None
    cold: Ratio | None
    steady: Ratio | None
    relative: Floats


def warm_ups(run: Run, positions: Sequence[int]) -> list[WarmUp]:
    """One for each cell that was measured. ``positions``: of each step's document.

    Raises UsageError for a run of too few steps, and without the library that finds change points.
    """
    steps = run.record.plan.steps
    if run.record.plan.at is not None:
        raise UsageError(
            f"{run.folder.name} has steps from all over the training run: measure with --from-start to see a warm-up"
        )
    if steps < FEWEST:
        raise UsageError(
            f"{run.folder.name} has {steps} steps: measure {FEWEST} or more to see a warm-up, as in --steps 200"
        )
    if not run.rounds:
        raise UsageError(f"{run.folder} has no finished round")
    cells = [cell for cell in run.cells if run.ok(cell)]
    curves = {cell: relative(run.times(cell), positions) for cell in cells}
    levels = {cell: _steady_from(curves[cell]) for cell in cells}
    warm_ups = []
    for cell in cells:
        kind, start = levels[cell]
        base = levels.get((REFERENCE, cell[1]), ("", None))[1]
        both = None if start is None or base is None else max(start, base)
        warm_ups.append(
            WarmUp(
                cell,
                kind,
                start,
                run.speedup(*cell, steps=slice(0, SHORTEST)),
                None if both is None else run.speedup(*cell, steps=slice(both, None)),
                curves[cell],
            )
        )
    return warm_ups


def relative(times: Floats, positions: Sequence[int]) -> Floats:
    """Each step's time, (rounds, steps) in, (steps,) out, over what one of its length takes in the second half."""
    middle = np.nanmedian(times, axis=0)
    half = len(middle) // 2
    lengths = np.asarray(positions, dtype=np.float64)
    if np.ptp(lengths[half:]) == 0:
        expected = np.full(len(middle), np.median(middle[half:]))
    else:
        slope, start = np.polyfit(lengths[half:], middle[half:], 1)
        expected = np.maximum(start + slope * lengths, 0.1 * np.median(middle[half:]))
    return np.asarray(middle / expected)


def _steady_from(curve: Floats) -> tuple[str, int | None]:
    """What kind of curve it is, and the index of its first steady step."""
    logs = np.log(curve)
    starts = [0, *level_changes(logs, shortest=SHORTEST)]
    ends = [*starts[1:], len(logs)]
    means = [float(np.mean(logs[start:end])) for start, end in zip(starts, ends)]
    first = len(means) - 1
    while first > 0 and abs(means[first - 1] - means[-1]) < EQUAL:  # a change too small to matter
        first -= 1
    start = starts[first]
    if len(logs) - start < STEADY * len(logs):
        return "no steady state", None
    if first == 0:
        return "flat", 0
    return ("warm-up" if max(means[:first]) > means[-1] else "slowdown"), start
