"""Where a series of measurements changes its level, by PELT (the library ruptures).

Killick, Fearnhead and Eckley 2012, "Optimal Detection of Changepoints With a Linear Computational Cost".
"""

from __future__ import annotations

import math

import numpy as np

from bench.host.stats.paired import Floats

PENALTY = 4.0
SMALLEST_NOISE = 1e-6  # equal values have no scatter, and one must be left


def change_points(logs: Floats, noise: float = 0.0, shortest: int = 2) -> list[int]:
    """Indices from which on the mean of ``logs``, (n,), is another one, at least ``shortest`` apart.

    Squared errors with a penalty of 4 σ² log n for each change. σ is ``noise`` or the scatter from one value to the next
    (median absolute difference, scaled as for normal noise), the larger of the two. Raises ImportError without ruptures.
    """
    import ruptures

    scatter = float(np.median(np.abs(np.diff(logs)))) / 0.6745 / math.sqrt(2)
    penalty = PENALTY * max(scatter, noise, SMALLEST_NOISE) ** 2 * math.log(len(logs))
    found = ruptures.Pelt(model="l2", min_size=shortest, jump=1).fit(logs.reshape(-1, 1)).predict(pen=penalty)
    return [int(at) for at in found[:-1]]
