"""The table of warm-ups: a row for each cell, with its curve in a line of blocks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.host.pages.wording import ratio_text
from bench.host.results.records import REFERENCE
from bench.host.results.run import Run
from bench.host.results.table import NOTHING, Table
from bench.host.results.warm_up import SHORTEST, WarmUp
from bench.host.stats.noise import Floats
from bench.host.stats.paired import Ratio

BLOCKS = "▁▂▃▄▅▆▇█"
WIDTH = 24  # blocks of a curve
# of a training run: its steps, first and last
STAGES = ((1, 10), (11, 30), (31, 60), (61, 100), (101, 150), (151, 300), (301, 1000))


def tables(run: Run, warm_ups: Sequence[WarmUp]) -> list[Table]:
    """A table for each runtime."""
    return [
        _table(run, runtime, [one for one in warm_ups if one.cell[1] == runtime]) for runtime in run.record.runtimes
    ]


def _table(run: Run, runtime: str, warm_ups: Sequence[WarmUp]) -> Table:
    steps = run.record.plan.steps
    rows = [
        [
            one.cell[0],
            one.kind,
            NOTHING if one.steps is None else f"{one.steps}",
            *("1" if one.cell[0] == REFERENCE else _ratio(ratio) for ratio in (one.cold, one.steady)),
            curve(one.relative),
        ]
        for one in warm_ups
    ]
    return Table(
        f"Warm-up on {runtime}",
        [
            f"{steps} steps from the seeded state, {len(run.rounds)} rounds of fresh processes; {run.record.created}",
            f"steady after: steps before the last level of time; cold: speedup over the reference in the first {SHORTEST} steps;"
            " steady: in the steps in which both are steady.",
            f"curve: time of a step, documents' lengths taken out, from the first step to the last: {BLOCKS[0]} is the steady"
            f" level or below, {BLOCKS[-1]} twice that or more.",
        ],
        ["engine", "kind", "steady after", "cold", "steady", "curve"],
        rows,
        [f"no steady state: the last level has less than a quarter of the {steps} steps; a longer run may show one."]
        if any(one.steps is None for one in warm_ups)
        else [],
    )


def _ratio(ratio: Ratio | None) -> str:
    return NOTHING if ratio is None else ratio_text(ratio, short=True)


def curve(relative: Floats) -> str:
    """A curve as blocks: the median of each stretch of steps, from 1 (lowest block) to 2 (highest)."""
    parts = np.array_split(relative, min(WIDTH, len(relative)))
    heights = [float(np.median(part)) - 1 for part in parts]
    return "".join(BLOCKS[min(len(BLOCKS) - 1, max(0, round(height * (len(BLOCKS) - 1))))] for height in heights)
