"""The gate's decision: has this cell become slower than what it is held against, by more than a threshold?

**The interval.** A round gives one log-ratio of the two (`stats.round_log_ratios`). The estimate over rounds is the
Hodges-Lehmann median of pairwise means, and its interval inverts Wilcoxon's signed-rank test (Hodges and Lehmann 1963;
Hollander, Wolfe and Chicken 2014, chapter 3). It assumes only that rounds are independent and as likely off to one side
as to the other, which two processes of the same program in random order are by construction; no normal distribution. On
shared machines a few rounds are off by far more than the others, and a mean with Student's t pays for the few. At least 8
rounds are needed for the confidence below, so the tables of a short run keep Student's t (`stats.paired_ratio`).

**One look.** REGRESSED if all of the interval lies beyond the threshold, IMPROVED if all of it lies beyond the same
threshold on the other side, PASS if all of it lies on the good side of "slower by the threshold", else INCONCLUSIVE. An
interval that is merely wide never passes (Schuirmann 1987).

**Looking again.** Who adds rounds until the interval pleases, looking after each, errs far more often than the
interval says (Armitage, McPherson and Rowe 1969). So a batch is looked at a few times fixed beforehand, when its
rounds have doubled: 8, 16 and so on up to 256. The error allowed is split evenly among the looks (Dunn 1961), which holds however
they depend on each other and costs little, as looks at doubled data are far from alike (Pocock 1977; Jennison and
Turnbull 2000). When a time budget ends between two looks, the next look's share may be spent at once. The first verdict
other than INCONCLUSIVE stands.

**Proof is recurrence.** REGRESSED must be found again in a fresh batch, judged from zero by the same rule: `confirmed`.
At any true ratio up to the threshold, an alarm then has a chance of at most (2.5 %)² if batches are independent, and at
most 2.5 % if they are not.

Sources: Wilcoxon 1945, "Individual Comparisons by Ranking Methods". Dunn 1961, "Multiple Comparisons Among Means".
Hodges and Lehmann 1963, "Estimates of Location Based on Rank Tests". Armitage, McPherson and Rowe 1969, "Repeated
Significance Tests on Accumulating Data". Pocock 1977, "Group Sequential Methods in the Design and Analysis of Clinical
Trials". Schuirmann 1987, "A Comparison of the Two One-Sided Tests Procedure and the Power Approach for Assessing the
Equivalence of Average Bioavailability". Jennison and Turnbull 2000, "Group Sequential Methods with Applications to
Clinical Trials". Hollander, Wolfe and Chicken 2014, "Nonparametric Statistical Methods".
"""

from __future__ import annotations

import bisect
import dataclasses
import enum
import functools
import math

import numpy as np
import numpy.typing as npt

from bench.host.stats.paired import Ratio


class Verdict(enum.StrEnum):
    """What the gate says of a cell."""

    PASS = "PASS"
    IMPROVED = "IMPROVED"
    REGRESSED = "REGRESSED"
    INCONCLUSIVE = "INCONCLUSIVE"


def verdict(ratio: Ratio, threshold: float, low: float = 1.0, high: float = 1.0) -> Verdict:
    """The verdict of one look. ``threshold``: 0.02 allows 2 % more time per step than at the ratio ``low``.

    ``low`` and ``high``: between which ratios to be; 1 where the pair's other cell itself is what it is held against.
    """
    if ratio.low is None or ratio.high is None:
        return Verdict.INCONCLUSIVE
    if ratio.high < low / (1 + threshold):
        return Verdict.REGRESSED
    if ratio.low > high * (1 + threshold):
        return Verdict.IMPROVED
    return Verdict.PASS if ratio.low > low / (1 + threshold) else Verdict.INCONCLUSIVE


def signed_rank_ratio(log_ratios: npt.ArrayLike, confidence: float, outliers: int = 0) -> Ratio:
    """The Hodges-Lehmann ratio of rounds' log-ratios, (rounds,), and the interval of the exact signed-rank test.

    The interval is None where the rounds are too few for the confidence. Raises ValueError for no round at all.
    """
    logs = np.asarray(log_ratios, dtype=np.float64)
    logs = logs[~np.isnan(logs)]
    if not len(logs):
        raise ValueError("no round was measured in both")
    row, column = np.triu_indices(len(logs))
    means = np.sort((logs[row] + logs[column]) / 2)
    outside = _outside(len(logs), (1 - confidence) / 2)
    low, high = (None, None) if not outside else (math.exp(means[outside - 1]), math.exp(means[-outside]))
    return Ratio(math.exp(float(np.median(means))), low, high, len(logs), outliers)


@functools.cache
def _outside(rounds: int, tail: float) -> int:
    """The largest k with P(T <= k - 1) <= tail, where T is the signed-rank statistic of so many symmetric rounds."""
    ways = np.ones(1)  # of reaching each value of T: every rank is in the sum or not
    for rank in range(1, rounds + 1):
        ways = np.pad(ways, (0, rank)) + np.pad(ways, (rank, 0))
    return int(np.searchsorted(np.cumsum(ways / 2.0**rounds), tail, side="right"))


@dataclasses.dataclass(frozen=True)
class Gate:
    """What is allowed, how sure to be over all looks of a batch, and the numbers of rounds at which to look."""

    threshold: float = 0.01
    confidence: float = 0.95
    looks: tuple[int, ...] = (8, 16, 32, 64, 128, 256)

    def __post_init__(self) -> None:
        """Raises ValueError for what can't be a gate."""
        if not 0 <= self.threshold < math.inf or not 0 < self.confidence < 1:
            raise ValueError(f"expected threshold >= 0 and 0 < confidence < 1, got {self.threshold}, {self.confidence}")
        if not self.looks or list(self.looks) != sorted(set(self.looks)):
            raise ValueError(f"expected looks at growing numbers of rounds, got {self.looks}")
        if not _outside(self.looks[0], (1 - self.look_confidence) / 2):
            raise ValueError(f"{self.looks[0]} rounds can never be {self.look_confidence:.2%} sure: look later")

    @property
    def look_confidence(self) -> float:
        """Confidence of a single look's interval."""
        return 1 - (1 - self.confidence) / len(self.looks)

    def look(self, rounds: int) -> int:
        """Which look is due at this many rounds, from 0: call `judge` once for each value."""
        if rounds > self.looks[-1]:
            raise ValueError(f"{rounds} rounds, but the last look is at {self.looks[-1]}: plan more before measuring")
        return bisect.bisect_left(self.looks, rounds)

    def judge(self, log_ratios: npt.ArrayLike, low: float = 1.0, high: float = 1.0) -> tuple[Verdict, Ratio]:
        """One look at a batch's log-ratios, (rounds,): its verdict and the ratio with this look's, wider, interval."""
        ratio = signed_rank_ratio(log_ratios, self.look_confidence)
        self.look(ratio.rounds)  # refuses more rounds than were planned for
        return verdict(ratio, self.threshold, low, high), ratio


def confirmed(first: Verdict, second: Verdict) -> Verdict:
    """The verdict after a fresh second batch, which only REGRESSED needs: contradicting batches prove nothing."""
    if first is not Verdict.REGRESSED:
        return first
    return first if second is Verdict.REGRESSED else Verdict.INCONCLUSIVE
