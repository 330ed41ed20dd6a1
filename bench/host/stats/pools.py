"""Simulated pools of machines: how narrow an interval gets with their number, and how often the gate raises a false alarm.

A machine's log-ratios are a common one, its own difference from it (standard deviation ``tau``), and noise of each round that is
drawn from recorded rounds. Machines are unequal: noise and time of a round differ by a factor, whose logarithm has the standard
deviation UNEQUAL.
"""

from __future__ import annotations

import dataclasses
import heapq
from collections.abc import Sequence

import numpy as np

from bench.host.stats.across_machines import across
from bench.host.stats.noise import Floats
from bench.host.stats.paired import estimate
from bench.host.stats.sequential import Gate, Verdict

UNEQUAL = (
    0.5  # of two machines one is then noisier, or slower, than the other by a factor of 1.8 (a median over pairs: 1.6)
)


@dataclasses.dataclass(frozen=True)
class Recorded:
    """Recorded rounds: how far each is from its cell's mean log-ratio, and the seconds that one takes."""

    deviations: Floats
    seconds: float

    @classmethod
    def of(cls, logs: Sequence[Floats], seconds: float) -> Recorded:
        """Of what the rounds of several cells say, (rounds,) each, of the same number of rounds."""
        wide = [len(one) / (len(one) - 1) for one in logs]  # a mean of few rounds lies closer to them than the true one
        apart = [(one - one.mean()) * factor**0.5 for one, factor in zip(logs, wide)]
        return cls(np.concatenate(apart), seconds)


def half_width(recorded: Recorded, machines: int, minutes: float, tau: float, rng: np.random.Generator) -> float:
    """Of the 95 % interval of a run of so many equal machines, in log-ratio; infinite where it has none."""
    rounds = int(minutes * 60 / recorded.seconds)
    if not rounds:
        return float("inf")
    said = {
        str(machine): estimate(rng.normal(0, tau) + rng.choice(recorded.deviations, rounds))
        for machine in range(machines)
    }
    ratio = across(said).ratio if machines > 1 else said["0"].ratio(0.95)
    return float("inf") if ratio.low is None or ratio.high is None else float(np.log(ratio.high / ratio.low)) / 2


def checked(
    recorded: Recorded, gate: Gate, machines: int, rounds: int, slowdown: float, tau: float, rng: np.random.Generator
) -> tuple[Verdict, float]:
    """What a check by unequal machines of one kind says after at most so many rounds, and the seconds until then."""
    noise, pace = np.exp(rng.normal(0, UNEQUAL, (2, machines)))
    own = rng.normal(0, tau, machines) - np.log1p(slowdown)
    free = [(0.0, machine) for machine in range(machines)]
    order, ends, done = [], [], 0.0
    for _ in range(rounds):  # each is given to the machine that is free first
        began, machine = heapq.heappop(free)
        end = began + recorded.seconds * pace[machine]
        heapq.heappush(free, (end, machine))
        done = max(done, end)  # those that were given out before count before
        order.append(machine)
        ends.append(done)
    logs = own[order] + noise[order] * rng.choice(recorded.deviations, rounds)
    names = [str(machine) for machine in order]
    for look in (*(look for look in gate.looks if look < rounds), rounds):
        verdict, _ = gate.judge(logs[:look], last=look == rounds)
        if verdict is Verdict.REGRESSED and not gate.recurs(logs[:look], machines=names[:look]):
            verdict = Verdict.INCONCLUSIVE
        if verdict is not Verdict.INCONCLUSIVE:
            break
    return verdict, ends[look - 1]
