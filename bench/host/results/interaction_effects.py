"""What a run of combinations says: the effect of each switch, of each two together, and the orders in which to add them.

Effects are ratios: above 1 is faster, or fewer instructions and nodes. One of time is averaged over the combinations of the
other switches by the model of `bench.host.stats.factorial`, with its interval; those of instructions and nodes are exact
where all combinations were counted.
"""

from __future__ import annotations

import dataclasses
import functools
import math

import numpy as np

from bench.host.results import switches
from bench.host.results.interactions import Interactions, added, ladder
from bench.host.results.parity import Agreement
from bench.host.results.switches import SWITCHES, Combination
from bench.host.stats import factorial
from bench.host.stats.factorial import Effect, Fit
from bench.host.stats.paired import Ratio
from bench.host.stats.special import student_quantile
from bench.host.system.errors import UsageError


@dataclasses.dataclass(frozen=True)
class Effects:
    """The questions that the page asks of one run."""

    of: Interactions

    @functools.cached_property
    def names(self) -> list[str]:
        """The switches that were timed, in their order."""
        timed = {name for row in self.of.record.design for name in switches.parse(row)}
        return [name for name in SWITCHES if name in timed]

    @functools.cached_property
    def pairs(self) -> list[Combination]:
        """Those that go together, two by two."""
        return switches.pairs(self.names)

    @functools.cached_property
    def speedups(self) -> dict[Combination, Ratio]:
        """Over the reference, of each combination that was timed and agreed."""
        run, runtime = self.of.run, self.of.runtime
        timed = {switches.parse(row): row for row in self.of.record.design}
        ratios = {one: run.speedup(row, runtime) for one, row in timed.items() if run.ok((row, runtime))}
        return {one: ratio for one, ratio in ratios.items() if ratio is not None}

    def speedup(self, combination: Combination) -> Ratio:
        """Over the reference, as it was timed; of what was not timed, the model's."""
        if combination in self.speedups:
            return self.sure(self.speedups[combination])
        row = factorial.model_matrix(self._rows([combination]), self._indices)[0]
        log = self.fit.of(row)
        low, value, high = (math.exp(log.value + sign * log.half) for sign in (-1, 0, 1))
        return Ratio(value, low, high, 0)

    def sure(self, ratio: Ratio) -> Ratio:
        """A ratio with an interval: that of one round from the scatter of all combinations around the model."""
        if ratio.low is not None:
            return ratio
        factor = math.exp(student_quantile(self.fit.freedom, 0.975) * self.fit.scatter)
        return dataclasses.replace(ratio, low=ratio.value / factor, high=ratio.value * factor)

    def over(self, row: str, other: str) -> Ratio | None:
        """How many times as fast a row of the run is as another one."""
        ratio = self.of.run.speedup(row, self.of.runtime, over=other)
        return None if ratio is None else self.sure(ratio)

    @functools.cached_property
    def fit(self) -> Fit:
        """Of the logarithms of these speedups. Raises UsageError where too few combinations have one."""
        try:
            logs = [math.log(ratio.value) for ratio in self.speedups.values()]
            return factorial.fit(self._rows([(), *self.speedups]), self._indices, [0.0, *logs])  # the reference's is 1
        except ValueError as error:
            raise UsageError(f"{self.of.run.folder} has too few times: {error}; measure again") from None

    def time(self, *factors: str) -> Effect:
        """A switch's effect on the logarithm of speed, or two switches' interaction."""
        return self.fit.of(self._contrasts[factors])

    def instructions(self, *factors: str) -> Effect | None:
        """The same of instructions, exact over what was counted; None where that says nothing."""
        return factorial.exact(self._candidates, self._fewer_instructions, self._columns(factors))

    def nodes(self, *factors: str) -> Effect | None:
        """The same of graph nodes, exact."""
        logs = [-math.log(self.of.record.engines[switches.name(one)].nodes) for one in self.of.record.costs]
        return factorial.exact(self._candidates, logs, self._columns(factors))

    def ladder(self, best: bool = True) -> list[Combination]:
        """The order by instructions: the largest gain first, or last."""
        return ladder(self.of.record.costs, best)

    @property
    def first(self) -> list[str]:
        """The switches to add first, the most important one before the others."""
        return added(self.ladder())

    @property
    def fastest(self) -> list[Combination]:
        """What was timed, from the fastest."""
        return sorted(self.speedups, key=lambda one: -self.speedups[one].value)

    def agreements(self) -> dict[Agreement, int]:
        """How many combinations agree with the reference in which way."""
        found = [one.finding.parity for one in self.of.record.engines.values()]
        return {agreement: found.count(agreement) for agreement in Agreement}

    @functools.cached_property
    def _candidates(self) -> factorial.Rows:
        return self._rows([*self.of.record.costs])

    @functools.cached_property
    def _fewer_instructions(self) -> list[float]:
        return [-math.log(cost) for cost in self.of.record.costs.values()]

    @functools.cached_property
    def _indices(self) -> list[tuple[int, int]]:
        return [(self.names.index(one), self.names.index(other)) for one, other in self.pairs]

    @functools.cached_property
    def _contrasts(self) -> dict[Combination, factorial.Rows]:
        legal = self._rows(switches.combinations(self.names))
        return {
            factors: factorial.contrast(legal, self._indices, self._columns(factors))
            for factors in [*((name,) for name in self.names), *self.pairs]
        }

    def _columns(self, factors: Combination) -> list[int]:
        return [self.names.index(name) for name in factors]

    def _rows(self, combinations: list[Combination]) -> factorial.Rows:
        return np.array([[float(name in one) for name in self.names] for one in combinations])
