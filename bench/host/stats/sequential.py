"""The gate's decision: has this cell become slower than its baseline, by more than a threshold?

**One look.** Each round gives one estimate of the log-ratio of the two (`paired.round_log_ratios`); the interval is Student's t.
REGRESSED if all of it lies beyond the threshold, IMPROVED if all of it lies beyond the same threshold on the other side,
PASS if all of it lies on the good side of "slower by the threshold", else INCONCLUSIVE. An interval that is merely wide
never passes (Schuirmann 1987).

**Repeated looks.** Adding rounds until the interval suits, with a look after each, errs far more often than the interval
says (Armitage, McPherson and Rowe 1969). So the looks are few and fixed in advance, after 8, 12, 16, 24 … up to 512 rounds,
and the allowed error is spent evenly over the doublings (`spending`: Lan and DeMets 1983). When a time budget ends, the last
look spends the rest. The first verdict other than INCONCLUSIVE is final.

**Both halves must agree.** A narrow interval alone is no proof, because a disturbance of the machine can affect many rounds
in the same way. The first half of the rounds and the second half must each show the regression, by a plain interval of
the same confidence (`Gate.recurs`). Both halves count as evidence; a second batch that starts after an alarm would waste the
first one. At any true ratio
up to the threshold, an alarm has a chance of at most 2.5 %, and far less where the halves are independent. Where several machines of a
pool measured, each half of the machines must show it too: what is one machine's alone is no regression.

For the other quantities that the gate checks (`gate/holds.py`) there is also the Hodges-Lehmann median of pairwise means, whose interval
inverts Wilcoxon's signed-rank test (Hodges and Lehmann 1963; Hollander, Wolfe and Chicken 2014, chapter 3): it assumes
only that rounds are independent and as likely off to one side as to the other.

Sources: Wilcoxon 1945, "Individual Comparisons by Ranking Methods". Hodges and Lehmann 1963, "Estimates of Location Based
on Rank Tests". Armitage, McPherson and Rowe 1969, "Repeated Significance Tests on Accumulating Data". Lan and DeMets 1983,
"Discrete Sequential Boundaries for Clinical Trials". Schuirmann 1987, "A Comparison of the Two One-Sided Tests Procedure
and the Power Approach for Assessing the Equivalence of Average Bioavailability". Hollander, Wolfe and Chicken 2014,
"Nonparametric Statistical Methods".
"""

from __future__ import annotations

import collections
import dataclasses
import enum
import functools
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bench.host.stats.noise import Floats
from bench.host.stats.paired import Ratio, over_rounds
from bench.host.stats.spending import levels, spent


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
    """What is allowed, how sure to be over all looks, and the numbers of rounds at which to look."""

    threshold: float = 0.01
    confidence: float = 0.95
    looks: tuple[int, ...] = (8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)

    def __post_init__(self) -> None:
        """Raises ValueError for what can't be a gate."""
        if not 0 <= self.threshold < math.inf or not 0 < self.confidence < 1:
            raise ValueError(f"expected threshold >= 0 and 0 < confidence < 1, got {self.threshold}, {self.confidence}")
        if not self.looks or list(self.looks) != sorted(set(self.looks)):
            raise ValueError(f"expected looks at growing numbers of rounds, got {self.looks}")
        if self.looks[0] < 4:
            raise ValueError(f"{self.looks[0]} rounds have no two halves that say anything: look later")

    @property
    def held_confidence(self) -> float:
        """Confidence of an interval of something else than time, which is looked at about six times."""
        return 1 - (1 - self.confidence) / 6

    def look_confidence(self, rounds: int, last: bool = False) -> float:
        """Confidence of the interval of a look at so many rounds; the ``last`` one spends what is left."""
        looks = (*(look for look in self.looks if look < rounds), rounds)
        tail, ends = (1 - self.confidence) / 2, (self.looks[0], self.looks[-1])
        tails = [tail * spent(look, *ends) for look in looks]
        if last:
            tails[-1] = tail
        return 1 - 2 * levels(looks, tuple(tails))[-1]

    def judge(
        self, logs: npt.ArrayLike, low: float = 1.0, high: float = 1.0, last: bool = False
    ) -> tuple[Verdict, Ratio]:
        """One look at what the rounds say, (rounds,): its verdict, still to recur, and the ratio with this look's interval."""
        rounds = _known(logs)
        if len(rounds) > self.looks[-1]:
            raise ValueError(
                f"{len(rounds)} rounds, but the last look is at {self.looks[-1]}: plan more before measuring"
            )
        ratio = over_rounds(rounds, self.look_confidence(max(1, len(rounds)), last))
        return verdict(ratio, self.threshold, low, high), ratio

    def recurs(self, logs: npt.ArrayLike, low: float = 1.0, machines: Sequence[str] = ()) -> bool:
        """Whether either half of the rounds, (rounds,), alone is slower than the ratio ``low`` by more than the threshold.

        ``machines``: of each round, where they are of several. Then either half of the machines shows it too, so that what is
        one machine's alone raises no alarm, unless nearly all rounds are that machine's.
        """
        rounds = _known(logs)
        halves = [rounds[: len(rounds) // 2], rounds[len(rounds) // 2 :]]
        if len(machines) == len(rounds):
            some = _half_of(machines)
            parts = rounds[some], rounds[~some]
            halves += parts if min(map(len, parts)) >= len(rounds) / 4 else ()
        return all(
            len(half) > 1 and verdict(over_rounds(half, self.confidence), self.threshold, low) is Verdict.REGRESSED
            for half in halves
        )

    def visible(self, logs: npt.ArrayLike, last: bool = False) -> float | None:
        """The smallest slowdown, as a share, that rounds as noisy as these would have shown in 95 % of checks."""
        rounds = _known(logs)
        if len(rounds) < 4:
            return None
        from scipy.special import stdtrit

        error = float(np.std(rounds, ddof=1)) / math.sqrt(len(rounds))
        sure, half = (1 + self.look_confidence(len(rounds), last)) / 2, (1 + self.confidence) / 2
        whole = stdtrit(len(rounds) - 1, sure) + stdtrit(len(rounds) - 1, 0.95)
        both = math.sqrt(2) * (stdtrit(len(rounds) // 2 - 1, half) + stdtrit(len(rounds) // 2 - 1, 0.975))
        return (1 + self.threshold) * math.exp(float(max(whole, both)) * error) - 1


def _half_of(machines: Sequence[str]) -> npt.NDArray[np.bool_]:
    """The rounds of some of the machines, (rounds,): about half of all rounds; of one machine all."""
    some, inside, outside = set[str](), 0, 0
    for machine, count in collections.Counter(machines).most_common():
        if inside <= outside:
            some.add(machine)
            inside += count
        else:
            outside += count
    return np.array([machine in some for machine in machines], dtype=bool)


def _known(logs: npt.ArrayLike) -> Floats:
    rounds = np.asarray(logs, dtype=np.float64)
    return rounds[~np.isnan(rounds)]
