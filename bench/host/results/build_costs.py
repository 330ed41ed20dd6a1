"""What one build of Python costs against another: each engine's speed, instructions and memory, and where the order changes."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterable

import numpy as np

from bench.host.results import builds
from bench.host.results.records import REFERENCE, key
from bench.host.results.run import Run
from bench.host.stats.paired import Ratio

# of so many means the range, in their standard deviation, that 95 % stay below (Tukey's studentized range)
RANGE = ((2, 2.77), (4, 3.63), (6, 4.03), (10, 4.47), (20, 5.01))
NORMAL = 1.96
APART = 1.05  # between the engine that gains most and the one that gains least: below, a build does the same to all


@dataclasses.dataclass(frozen=True)
class Cost:
    """How many times as fast the runtime is as the one it is held ``over``, paired within the run.

    ``instructions``, ``memory``: those of ``over`` by those of the runtime, geometric means; ``as_counted``: the speedup of
    the engines whose instructions were counted on both. None where nothing was counted. ``swapped``: engines of
    which the first is slower than the second over there, and faster here, each told apart from 1.
    """

    runtime: str
    over: str
    different: list[str]
    speedups: dict[str, Ratio]
    mean: Ratio
    instructions: float | None
    as_counted: Ratio | None
    memory: float | None
    swapped: list[tuple[str, str]]

    @property
    def least(self) -> str:
        """The engine that gains least."""
        return min(self.speedups, key=lambda engine: self.speedups[engine].value)

    @property
    def most(self) -> str:
        """The engine that gains most."""
        return max(self.speedups, key=lambda engine: self.speedups[engine].value)

    @property
    def depends(self) -> bool:
        """Whether the gain depends on the engine, by more than the intervals explain."""
        least, most = self.speedups[self.least], self.speedups[self.most]
        if least.high is None or most.low is None:
            return False
        # the extremes of many differ by more than two of them, by chance
        wider = float(np.interp(len(self.speedups), *np.transpose(RANGE))) / (2 * NORMAL)
        widths = math.log(least.high / least.value) + math.log(most.value / most.low)
        return math.log(most.value / least.value) > max(math.log(APART), wider * widths)


def cost(run: Run, runtime: str, over: str) -> Cost | None:
    """What the runtime costs against another one of the run; None where no engine counts on both."""
    speedups = {
        engine: ratio
        for engine in run.record.engines
        if (ratio := run.speedup(engine, runtime, over=(engine, over))) is not None
    }
    mean = run.mean_speedup(runtime, over)
    if mean is None or not speedups:
        return None
    fewer = {engine: by for engine in speedups if (by := _instructions(run, engine, runtime, over))}
    peaks = [(run.peak_bytes((engine, over)), run.peak_bytes((engine, runtime))) for engine in speedups]
    theirs, mine = (run.record.runtimes[name].described for name in (over, runtime))
    version = [f"Python {mine['python']}"] if mine["python"] != theirs["python"] else []
    return Cost(
        runtime,
        over,
        [*version, *builds.differences(theirs, mine)],
        speedups,
        mean,
        _mean(fewer.values()),
        _together([speedups[engine] for engine in fewer]),
        _mean(theirs / mine for theirs, mine in peaks if theirs and mine),
        _swapped(run, list(speedups), runtime, over),
    )


def nearest(run: Run, runtime: str, base: str) -> str:
    """The runtime that this one differs least from, among the ``base`` and those that the run has before it.

    One of the same version comes before all others; among equals it is the same program with other switches, and then the base.
    """
    about = run.record.runtimes
    names = list(about)
    earlier = [base, *(name for name in names[: names.index(runtime)] if name != base)]

    def apart(name: str) -> tuple[int, bool]:
        theirs, mine = about[name].described, about[runtime].described
        facts = ("build", "config_args", "compiler")
        return len(builds.differences(theirs, mine)), [theirs[fact] for fact in facts] != [mine[fact] for fact in facts]

    alike = [name for name in earlier if about[name].described["python"] == about[runtime].described["python"]]
    return min(alike, key=apart, default=base)


def _instructions(run: Run, engine: str, runtime: str, over: str) -> float | None:
    counted = run.counters.cells if run.counters else {}
    theirs, mine = (counted.get(key((engine, name))) for name in (over, runtime))
    if not theirs or not mine or not theirs.instructions or not mine.instructions:
        return None
    return theirs.instructions / mine.instructions


def _mean(ratios: Iterable[float]) -> float | None:
    """The geometric mean; None of nothing."""
    logs = [math.log(ratio) for ratio in ratios]
    return math.exp(math.fsum(logs) / len(logs)) if logs else None


def _together(ratios: list[Ratio]) -> Ratio | None:
    """Their geometric mean, with the interval that it has at most; None where one has no interval."""
    low, high = ([ratio.low for ratio in ratios if ratio.low], [ratio.high for ratio in ratios if ratio.high])
    value, least, most = _mean(ratio.value for ratio in ratios), _mean(low), _mean(high)
    if value is None or len(low) < len(ratios) or len(high) < len(ratios):
        return None
    return Ratio(value, least, most, ratios[0].rounds)


def _swapped(run: Run, engines: list[str], runtime: str, over: str) -> list[tuple[str, str]]:
    """Pairs whose order changes, those first that do so most."""
    here, there = (
        {
            engine: 1.0 if engine == REFERENCE else ratio.value
            for engine in engines
            if (ratio := run.speedup(engine, name))
        }
        for name in (runtime, over)
    )
    found = []
    for pair in itertools.permutations([engine for engine in engines if engine in here and engine in there], 2):
        first, second = pair
        if here[first] > here[second] and there[first] < there[second]:
            mine, theirs = (run.speedup(first, name, over=second) for name in (runtime, over))
            if mine and theirs and mine.separable and theirs.separable and mine.value > 1 > theirs.value:
                found.append((mine.value / theirs.value, pair))
    return [pair for _, pair in sorted(found, reverse=True)]
