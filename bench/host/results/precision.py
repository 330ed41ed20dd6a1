"""How narrow a run's intervals are, and whether that is enough to end it: where nobody said how many rounds."""

from __future__ import annotations

import dataclasses
import math
import statistics

from bench.host.results.records import REFERENCE
from bench.host.results.run import Run

FEWEST, MOST = 5, 20  # rounds: of fewer a drift cannot be seen, and by more a noisy machine is hardly known better
MEDIAN, LARGEST = 0.03, 0.08  # half widths that are enough


@dataclasses.dataclass(frozen=True)
class Precision:
    """Half widths of the 95 % intervals of all speedups over the reference, as shares: of the middle one and the widest."""

    median: float
    largest: float

    @property
    def enough(self) -> bool:
        """Whether more rounds would say little more."""
        return self.median <= MEDIAN and self.largest <= LARGEST

    def __str__(self) -> str:
        return f"±{100 * self.median:.1f} % in the median, ±{100 * self.largest:.1f} % at most"


def precision(run: Run) -> Precision:
    """Of the cells that count; nothing is wide where there are none. Infinite where there is no interval."""
    ratios = [run.speedup(*cell) for cell in run.cells if cell[0] != REFERENCE and run.ok(cell)]
    halves = [
        math.log(ratio.high / ratio.low) / 2 if ratio.low and ratio.high else math.inf for ratio in ratios if ratio
    ]
    return Precision(statistics.median(halves), max(halves)) if halves else Precision(0.0, 0.0)


def narrow(run: Run) -> bool:
    """Whether a run that ends where its intervals are narrow may end now."""
    fewest = run.record.plan.fewest
    return fewest is not None and len(run.rounds) >= fewest and precision(run).enough
