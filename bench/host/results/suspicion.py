"""What a cell's own times say against them: time that passed and is not explained, and repeats that are too fast.

Processor time leaves out waiting for a busy machine, and with it all that an engine does where nobody counts: in
another process, on a device, or by not computing at all. So the two clocks of each step are compared. What passed on the
wall's clock beyond the processor time is explained by the time in which the process could have run and had no
processor, which Linux tells, and by what the other cells in the same turn saw of the same machine. A cell that keeps
waiting for something else is taken off processor time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from bench.host.results.records import CellRecord, RoundRecord

UNEXPLAINED = 1.1  # times as long as explained, in three quarters of the steps
FEW = 12  # steps; of fewer all must be unexplained, and by more
UNEXPLAINED_FEW = 1.5
SHORTEST_NS = 20_000  # a step's unexplained time below this is the clocks' own
FAST = 3.0  # times as fast as the first one are repeats that look kept or prepared
LEAST_NS = 500_000  # and by so much at least


Turns = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]  # ns by step, of all cells: passed, and explained


def turns_of(entry: RoundRecord) -> Turns:
    """What the turns of a round took all its cells together, on the wall's clock and as far as that is explained."""
    timed = [cell for cell in entry.cells.values() if _is_timed(cell)]
    steps = max((len(cell.nanoseconds) for cell in timed), default=0)
    passed, explained = np.zeros(steps), np.zeros(steps)
    for cell in timed:
        if len(cell.nanoseconds) == steps:
            passed, explained = passed + np.array(cell.nanoseconds), explained + _explained(cell)
    return passed, explained


def waits(rounds: Sequence[RoundRecord], name: str, turns: Sequence[Turns] | None = None) -> str:
    """In words, how much of a cell's time is not explained; "" where all is. ``name``: its key in the rounds.

    ``turns``: those of the rounds, where they are known already.
    """
    ratios: list[float] = []
    left: list[float] = []
    for entry, of_all in zip(rounds, turns or map(turns_of, rounds)):
        cell = entry.cells.get(name)
        if cell is None or not _is_timed(cell):
            continue
        passed, explained = np.array(cell.nanoseconds), _explained(cell)
        machine = _of_the_machine(of_all, passed, explained)
        if len(cell.delay_nanoseconds) == len(cell.yields) == len(passed):
            # who never gave its processor away was not waiting: a machine that is a guest takes time unseen, of all cells
            machine = np.where(np.array(cell.yields) > 0, 1.0, machine)
        explained = explained * machine
        left.extend(passed - explained)
        ratios.extend(passed / np.maximum(explained, 1.0))
    if not ratios or np.median(left) < SHORTEST_NS:
        return ""
    few = len(ratios) < FEW
    if float(np.min(ratios) if few else np.quantile(ratios, 0.25)) < (UNEXPLAINED_FEW if few else UNEXPLAINED):
        return ""
    return f"{1 - 1 / float(np.median(ratios)):.0%} of its time it waited for something other than a processor"


def _is_timed(cell: CellRecord) -> bool:
    return bool(cell.cpu_nanoseconds) and len(cell.cpu_nanoseconds) == len(cell.nanoseconds)


def _of_the_machine(
    of_all: Turns, passed: npt.NDArray[np.float64], explained: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """By step, how many times its processor time a turn took the other cells together: the machine's share is everybody's."""
    if len(of_all[0]) != len(passed):  # it went less far than they did
        return np.ones(len(passed))
    others, theirs = of_all[0] - passed, of_all[1] - explained
    return np.maximum(1.0, np.divide(others, theirs, out=np.ones(len(passed)), where=theirs > 1.0))


def _explained(cell: CellRecord) -> npt.NDArray[np.float64]:
    delays = cell.delay_nanoseconds or [0.0] * len(cell.nanoseconds)
    return np.array(cell.cpu_nanoseconds, dtype=np.float64) + np.array(delays, dtype=np.float64)


def too_fast(records: Sequence[CellRecord]) -> str:
    """In words, how much slower the first of its repeats is than all, or than the step itself; "" where it is not."""
    repeated = [
        record for record in records if record.repeats > 1 and record.first_nanoseconds and record.cpu_nanoseconds
    ]
    if not repeated:
        return ""
    mean, first, own = (
        float(np.median(np.concatenate([getattr(record, field) for record in repeated])))
        for field in ("cpu_nanoseconds", "first_nanoseconds", "own_nanoseconds")
    )
    if first > FAST * mean and first - mean > LEAST_NS:
        return f"the first of a turn's repeats takes {first / mean:.0f} times as long as they do on average"
    if mean > FAST * own and mean - own > LEAST_NS:
        return (
            f"a step on a document that it knows takes {mean / own:.0f} times less than on one it has not seen before"
        )
    return ""
