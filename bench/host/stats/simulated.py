"""Simulated pairs of cells whose true ratio is known: what machines and engines do, one thing at a time.

Everything is in natural logarithms of seconds. The true ratio is that of the mean costs: additional costs of some steps or
processes of one cell are part of it, disturbances by the machine are not.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from bench.host.stats.noise import Floats


@dataclasses.dataclass(frozen=True)
class Machine:
    """Standard deviations: ``noise`` of a step, ``offset`` of a process, ``drift`` of a random walk per turn, that both share.

    ``busy``: share of the turns that fall into bursts, in which a step takes up to 1.7 times as long, ``stay`` turns long.
    """

    noise: float = 0.01
    offset: float = 0.02
    drift: float = 0.0
    busy: float = 0.0
    stay: int = 6
    classes: tuple[float, float] = (0.0, 0.0)  # share of the second cell's processes that are slower, and by how much
    random_pause: tuple[float, float] = (0.0, 0.0)  # share of its steps, at random, that take longer, and by how much
    every_fifth: float = 0.0  # by how much every fifth step of its takes longer, the same ones in every round

    def run(self, rng: np.random.Generator, rounds: int, steps: int) -> tuple[Floats, Floats, float]:
        """Both cells' seconds, (rounds, steps), and the true log-ratio."""
        ratios = rng.normal(0, 0.03, steps)  # of each step
        logs = np.log(rng.uniform(0.02, 0.08, steps)) + rng.normal(0, self.noise, (2, rounds, steps))
        logs[0] += ratios
        logs += rng.normal(0, self.offset, (2, rounds, 1))
        turns = np.cumsum(rng.normal(0, self.drift, rounds * steps * 2)) + self._bursts(rng, rounds * steps * 2)
        logs += np.moveaxis(rng.permuted(turns.reshape(rounds, steps, 2), axis=2), 2, 0)
        logs[1] += self.classes[1] * (rng.random((rounds, 1)) < self.classes[0])
        logs[1] += self.random_pause[1] * (rng.random((rounds, steps)) < self.random_pause[0])
        logs[1, :, ::5] += self.every_fifth
        cost = np.prod(self.classes) + np.prod(self.random_pause) + self.every_fifth * len(range(0, steps, 5)) / steps
        baseline, seconds = np.exp(logs)
        return baseline, seconds, float(np.mean(ratios) - cost)

    def _bursts(self, rng: np.random.Generator, turns: int) -> Floats:
        in_burst = np.zeros(turns)
        on, begins = rng.random() < self.busy, self.busy / (1 - self.busy) / self.stay
        for turn, chance in enumerate(rng.random(turns)):
            on = chance > 1 / self.stay if on else chance < begins
            in_burst[turn] = on
        return in_burst * 0.55 * rng.beta(4, 1, turns)


MACHINES = {
    "quiet": Machine(),
    "drift": Machine(drift=0.01),
    "bursts": Machine(busy=0.4),
    "long bursts": Machine(busy=0.3, stay=40),
    "bursts, drift": Machine(busy=0.3, drift=0.005),
    "processes 3 % apart": Machine(offset=0.03),
    "half its processes 6 % slower": Machine(classes=(0.5, 0.06)),
    "the same, bursts": Machine(classes=(0.5, 0.06), busy=0.3),
    "pauses at every fifth step": Machine(every_fifth=0.4),
    "the same, bursts ": Machine(every_fifth=0.4, busy=0.3),
    "pauses at random": Machine(random_pause=(0.03, 0.3)),
}
