"""Where a series of ratios changes from one run to the next.

PELT (Killick, Fearnhead and Eckley 2012, "Optimal Detection of Changepoints With a Linear Computational Cost"), by the
library ruptures, over the logarithms: squared errors, at least two runs on either side, and a penalty of 4 σ² log n for
each change. σ is the larger of two: the typical run's own standard error, and the scatter from one run to the next
(median absolute difference, scaled as for normal noise). As `tests/host/test_history.py` simulates, with a noise of 2 % a
run at most 5 in 100 histories of 12 unchanged runs show a change, and one of 10 % in their middle is found in 9 of 10.
Fewer than four runs show none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from bench.host.stats.noise import Floats
from bench.host.stats.paired import Ratio
from bench.host.system.errors import needs_extra

FEWEST = 4  # runs in which a change is looked for
PENALTY = 4.0
SMALLEST_NOISE = 1e-6  # equal values have no scatter, and one must be left


def change_points(ratios: Sequence[Ratio]) -> list[int]:
    """Indices of the runs from which on the ratio is another one. Raises UsageError without ruptures."""
    if len(ratios) < FEWEST:
        return []
    logs = np.array([math.log(ratio.value) for ratio in ratios])
    errors = [math.log(r.high / r.low) / 2 / 1.96 for r in ratios if r.low is not None and r.high is not None] or [0.0]
    return level_changes(logs, float(np.median(errors)))


def level_changes(logs: Floats, noise: float = SMALLEST_NOISE, shortest: int = 2) -> list[int]:
    """Indices from which on the mean of ``logs``, (n,), is another one; levels have at least ``shortest`` values.

    ``noise``: the standard error of one of them; more where their scatter is. Raises UsageError without ruptures.
    """
    try:
        import ruptures
    except ImportError:
        raise needs_extra("changes", "ruptures") from None
    scatter = float(np.median(np.abs(np.diff(logs)))) / 0.6745 / math.sqrt(2)
    penalty = PENALTY * max(scatter, noise, SMALLEST_NOISE) ** 2 * math.log(len(logs))
    ends = ruptures.Pelt(model="l2", min_size=shortest, jump=1).fit(logs.reshape(-1, 1)).predict(pen=penalty)
    return [int(at) for at in ends[:-1]]
