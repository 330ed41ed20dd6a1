"""The gate's decision: has this cell become slower than its baseline by more than a threshold?

**One look.** The interval of the paired ratio decides: REGRESSED if all of it lies beyond the threshold, IMPROVED if
all of it lies beyond the same threshold on the other side, PASS if all of it lies on the good side of "slower by the
threshold", else INCONCLUSIVE. An interval that is merely wide never passes (Schuirmann 1987).

**Looking again.** Who adds rounds until the interval pleases, looking after each, errs far more often than the
interval says (Armitage, McPherson and Rowe 1969): at a true slowdown of just the threshold, 13 % of batches of up to
32 rounds would be called REGRESSED instead of 2.5 %. So a batch is looked at a few times fixed beforehand, when its
rounds have doubled: 4, 8, 16, 32. The error allowed is split evenly among the looks (Dunn 1961), which holds however
they depend on each other and costs little, as looks at doubled data are far from alike (Pocock 1977; Jennison and
Turnbull 2000). When a time budget ends between two looks, the next look's share may be spent at once; so one look at
4 rounds or fewer, one at 5 to 8, one at 9 to 16, and so on. The first verdict other than INCONCLUSIVE stands.

**Proof is recurrence.** REGRESSED must be found again in a fresh batch, judged from zero by the same rule: `confirmed`.
At any true ratio up to the threshold, an alarm then has a chance of at most (2.5 %)² if batches are independent, and at
most 2.5 % if they are not.

Sources: Dunn 1961, "Multiple Comparisons Among Means". Armitage, McPherson and Rowe 1969, "Repeated Significance Tests
on Accumulating Data". Pocock 1977, "Group Sequential Methods in the Design and Analysis of Clinical Trials".
Schuirmann 1987, "A Comparison of the Two One-Sided Tests Procedure and the Power Approach for Assessing the Equivalence
of Average Bioavailability". Jennison and Turnbull 2000, "Group Sequential Methods with Applications to Clinical Trials".
"""

from __future__ import annotations

import bisect
import dataclasses
import enum

import numpy.typing as npt

from bench.host.stats import Ratio, paired_ratio


class Verdict(enum.StrEnum):
    """What the gate says of a cell."""

    PASS = "PASS"
    IMPROVED = "IMPROVED"
    REGRESSED = "REGRESSED"
    INCONCLUSIVE = "INCONCLUSIVE"


def verdict(ratio: Ratio, threshold: float) -> Verdict:
    """The verdict of one look. ``threshold``: 0.02 allows 2 % more time per step."""
    if ratio.low is None or ratio.high is None:
        return Verdict.INCONCLUSIVE
    if ratio.high < 1 / (1 + threshold):
        return Verdict.REGRESSED
    if ratio.low > 1 + threshold:
        return Verdict.IMPROVED
    return Verdict.PASS if ratio.low > 1 / (1 + threshold) else Verdict.INCONCLUSIVE


@dataclasses.dataclass(frozen=True)
class Gate:
    """What is allowed, how sure to be over all looks of a batch, and the numbers of rounds at which to look."""

    threshold: float = 0.02
    confidence: float = 0.95
    looks: tuple[int, ...] = (4, 8, 16, 32)

    def __post_init__(self) -> None:
        """Raises ValueError for what can't be a gate."""
        if self.threshold < 0 or not 0 < self.confidence < 1:
            raise ValueError(f"expected threshold >= 0 and 0 < confidence < 1, got {self.threshold}, {self.confidence}")
        if not self.looks or self.looks[0] < 2 or list(self.looks) != sorted(set(self.looks)):
            raise ValueError(f"expected looks at growing numbers of rounds from 2 on, got {self.looks}")

    @property
    def look_confidence(self) -> float:
        """Confidence of a single look's interval."""
        return 1 - (1 - self.confidence) / len(self.looks)

    def look(self, rounds: int) -> int:
        """Which look is due at this many rounds, from 0: call `judge` once for each value."""
        if rounds > self.looks[-1]:
            raise ValueError(f"{rounds} rounds, but the last look is at {self.looks[-1]}: plan more before measuring")
        return bisect.bisect_left(self.looks, rounds)

    def judge(self, baseline_seconds: npt.ArrayLike, seconds: npt.ArrayLike) -> tuple[Verdict, Ratio]:
        """One look at a batch, both (rounds, steps): its verdict and the ratio with this look's, wider, interval."""
        ratio = paired_ratio(baseline_seconds, seconds, self.look_confidence)
        self.look(ratio.rounds)  # refuses more rounds than were planned for
        return verdict(ratio, self.threshold), ratio


def confirmed(first: Verdict, second: Verdict) -> Verdict:
    """The verdict after a fresh second batch, which only REGRESSED needs: contradicting batches prove nothing."""
    if first is not Verdict.REGRESSED:
        return first
    return first if second is Verdict.REGRESSED else Verdict.INCONCLUSIVE
