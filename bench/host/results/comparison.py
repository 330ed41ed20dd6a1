"""Two runs side by side: per engine, how many times as fast the second is as the first.

Two runtimes of one run were measured in the same rounds, so they are paired as in the run's own tables. Separate runs
were made at different times, so nothing pairs: what is compared are the rounds' mean times, by Welch's interval on their
logarithms (Welch 1947, "The Generalization of 'Student's' Problem when Several Different Population Variances are
Involved"). In processor time where both runs' ratios are made of it, as a machine that was busier during one of them
shows as a difference, much less there, and the tables say so. pyperf files are read too, and hold the wall's time: a
pyperf run, a process of its own, stands for a round.

The geometric mean averages the engines' logarithms within each round, so that rounds stay the unit of replication.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable

import numpy as np

from bench.host.results import bases
from bench.host.results.comparison_sides import Side, check_runtime, only_side, opened, over, side
from bench.host.results.peers import peers_of, times_as_fast
from bench.host.results.run import Run
from bench.host.stats.noise import Floats
from bench.host.stats.paired import Ratio, over_rounds
from bench.host.system.errors import UsageError

APART = "Two separate runs, in {}: a machine that was busier during one of them shows here as a difference."
CLOCKS = {"cpu": "processor time", "wall": "time passed"}
INTERLEAVED = "Two rows of one run, whose rounds were interleaved, in time passed."
PROGRAMS = "Programs beside the engines are timed in time passed."
UNLIKE = "NOT LIKE WITH LIKE"
RELATIVE = (
    "Compared is how many times as fast as {} an engine is, paired step by step within each {}: a machine that was busier"
    " during one of them cancels out."
)
TOGETHER = "Two runtimes of one run, paired step by step."


@dataclasses.dataclass(frozen=True)
class Comparison:
    """How many times as fast the second side is: by engine, and their geometric mean.

    ``about``: how the two were measured, and what is not like with like. ``unmatched``: engines that only one side has.
    ``over``: what each side's speedup is relative to, "" where times are compared; ``each``: those speedups, of both sides.
    """

    title: str
    about: list[str]
    speedups: dict[str, Ratio]
    mean: Ratio
    unmatched: list[str]
    over: str = ""
    each: dict[str, tuple[Ratio, Ratio]] = dataclasses.field(default_factory=dict)


def compare(
    first: str,
    second: str,
    find: Callable[[pathlib.Path], pathlib.Path],
    anyway: bool,
    relative: str | None = None,
) -> list[Comparison]:
    """One for each runtime that both have, or for the one named of each, as in ``RUN:RUNTIME``; a file has one.

    ``find`` gives a run's folder. ``relative``: compare speedups over this, as `bases.parse` reads it, in place of times.
    Raises UsageError where comparing makes no sense.
    """
    (one, one_runtime), (other, other_runtime) = (opened(text, find) for text in (first, second))
    if isinstance(one, Run) and isinstance(other, Run):
        if any(
            name is not None and name not in run.record.runtimes and peers_of(run)
            for run, name in ((one, one_runtime), (other, other_runtime))
        ):
            if relative is not None:
                raise UsageError(f"two rows are compared with each other: leave --over {relative} out")
            return [_rows(one, other, one_runtime, other_runtime)]
        pairs = _runtime_pairs(one, other, (one_runtime, other_runtime))
        if relative is not None:
            return [_relative(one, other, pair, relative, anyway) for pair in pairs]
        if one.folder.resolve() == other.folder.resolve():
            return [_together(one, *pair) for pair in pairs]
        return [_apart(*_sides(one, other, pair), pair[0] == pair[1], anyway) for pair in pairs]
    if relative is not None:
        raise UsageError(
            "--over is for two runs: nothing in a pyperf file says which of its times were measured together"
        )
    left, right = only_side(one, one_runtime), only_side(other, other_runtime)
    same_version = left.build.split(".")[:2] == right.build.split(".")[:2]
    return [_apart(left, right, same_version, anyway)]


# --------------------------------------------------------------------- which is compared with which


def _runtime_pairs(first: Run, second: Run, named: tuple[str | None, str | None]) -> list[tuple[str, str]]:
    for run, name in zip((first, second), named):
        if name is not None:
            check_runtime(run, name)
    if named[0] and named[1]:
        if first.folder.resolve() == second.folder.resolve() and named[0] == named[1]:
            raise UsageError(f"{first.folder.name}:{named[0]} is the same on both sides: name two runtimes or two runs")
        return [(named[0], named[1])]
    shared = [
        name
        for name in first.record.runtimes
        if name in second.record.runtimes and named in ((None, None), (name, None), (None, name))
    ]
    if first.folder.resolve() == second.folder.resolve():
        raise UsageError(f"{first.folder.name} twice: name a runtime of each, as in RUN:cpython-3.14 RUN:cpython-3.15")
    if not shared:
        raise UsageError("the runs share no runtime: name one of each, as in RUN:cpython-3.14 OTHER:cpython-3.15")
    return [(name, name) for name in shared]


# --------------------------------------------------------------------- the comparison


def _together(run: Run, one: str, other: str) -> Comparison:
    engines = [engine for engine in run.record.engines if run.ok((engine, one), (engine, other))]
    if not engines:
        raise UsageError(f"{run.folder.name} has no engine that was measured on both {one} and {other}")
    speedups = {engine: run.speedup(engine, other, over=(engine, one)) for engine in engines}
    known = {engine: ratio for engine, ratio in speedups.items() if ratio is not None}
    mean = run.mean_speedup(other, one)
    assert mean is not None  # of at least one engine
    unmatched = [engine for engine in run.record.engines if engine not in engines]
    return Comparison(f"{run.folder.name}: {one} → {other}", [TOGETHER], known, mean, unmatched)


def _sides(one: Run, other: Run, pair: tuple[str, str]) -> tuple[Side, Side]:
    """A runtime of each, by the clock that both runs' ratios are made of."""
    clocks = {run.record.plan.clock for run in (one, other)}
    clock = clocks.pop() if len(clocks) == 1 else "wall"  # which every run has
    return side(one, pair[0], clock), side(other, pair[1], clock)


def _relative(one: Run, other: Run, pair: tuple[str, str], text: str, anyway: bool) -> Comparison:
    """How an engine's speedup over a base changed from one side to the other."""
    base, _ = bases.parse(one, text), bases.parse(other, text)
    together = one.folder.resolve() == other.folder.resolve()
    times = _sides(one, other, pair)
    left, right = over(times[0], one, pair[0], base), over(times[1], other, pair[1], base)
    engines = [engine for engine in left.logs if engine in right.logs]
    if not engines:
        raise UsageError(f"no engine has a speedup over {base.text} on both sides: choose another base")
    each = {}
    for engine in engines:
        cells = [(run, name, base.of(run, engine, name)) for run, name in zip((one, other), pair)]
        first, second = (run.speedup(engine, name, cell) for run, name, cell in cells if cell is not None)
        if first is not None and second is not None:
            each[engine] = first, second
    if together:  # rounds are the same ones, and so pair
        changes = {engine: left.logs[engine] - right.logs[engine] for engine in engines}
        ratios = {engine: over_rounds(change, 0.95) for engine, change in changes.items()}
        mean = over_rounds(np.mean(list(changes.values()), axis=0), 0.95)
        found = Comparison(f"{one.folder.name}: {pair[0]} → {pair[1]}", [], ratios, mean, [])
    else:
        found = _apart(left, right, pair[0] == pair[1], anyway)
    notes = [note for note in found.about if note.startswith(UNLIKE)]
    about = [*notes, RELATIVE.format(base.text, "round" if together else "run")]
    return dataclasses.replace(found, about=about, over=base.text, each=each)


def _rows(one: Run, other: Run, first: str | None, second: str | None) -> Comparison:
    """Two rows of one run with programs beside its engines: how many times as fast the second is."""
    name = one.folder.name
    if one.folder.resolve() != other.folder.resolve() or first is None or second is None:
        raise UsageError(
            f"rows are compared within one run, as in {name}:ROW {name}:ROW: name two rows, or two runs without rows"
        )
    beside = peers_of(one)
    times = beside.rows if beside else {}
    for row in (first, second):
        if row not in times:
            raise UsageError(f"{name} has no row {row!r} with a time and a proof: choose from {', '.join(times)}")
    if first == second:
        raise UsageError(f"{name}:{first} is the same on both sides: name two rows")
    ratio = times_as_fast(times[first], times[second])
    return Comparison(f"{name}: {first} → {second}", [INTERLEAVED], {second: ratio}, ratio, [])


def _apart(one: Side, other: Side, same_runtime: bool, anyway: bool) -> Comparison:
    engines = [engine for engine in one.logs if engine in other.logs]
    if not engines:
        raise UsageError(f"{one.label} and {other.label} have no engine in common")
    samples = []
    for each in (one, other):
        counts = sorted({len(each.logs[engine]) for engine in engines})
        if len(counts) > 1:
            raise UsageError(f"{each.label} has different numbers of processes per engine ({counts}): measure again")
        samples.append(f"{counts[0]}")
    notes = []
    for what, a, b in (
        ("workloads, steps or collector settings", one.workload, other.workload),
        ("machines", one.machine, other.machine),
        *([("interpreter builds", one.build, other.build)] if same_runtime else []),
        (f"numbers of rounds, {' and '.join(samples)}", *samples),
    ):
        if a and b and a != b:
            if not anyway:
                raise UsageError(
                    f"{one.label} and {other.label} have different {what}: compare them with --allow-mismatch"
                )
            notes.append(f"{UNLIKE}: different {what}")
    ratios = {engine: _welch(one.logs[engine], other.logs[engine]) for engine in engines}
    unmatched = [engine for engine in {**one.logs, **other.logs} if engine not in engines]
    means = [np.mean([each.logs[engine] for engine in engines], axis=0) for each in (one, other)]
    programs = [PROGRAMS] if one.clock == "cpu" and any(engine in one.programs for engine in engines) else []
    above = [*notes, APART.format(CLOCKS[one.clock]), *programs]
    if any(" " in each.machine for each in (one, other)):
        above.append("Rounds of several machines count together here: microgpt-bench show RUN has them by machine.")
    return Comparison(f"{one.label} → {other.label}", above, ratios, _welch(*means), unmatched)


def _welch(before: Floats, after: Floats) -> Ratio:
    """exp of the difference of the means of logarithms, with Welch's 95 % interval where both have two rounds."""
    value = float(np.exp(before.mean() - after.mean()))
    if len(before) < 2 or len(after) < 2:
        return Ratio(value, None, None, min(len(before), len(after)))
    if np.ptp(before) == np.ptp(after) == 0:
        return Ratio(value, value, value, min(len(before), len(after)))
    from scipy.stats import ttest_ind  # here: its import takes longer than most commands

    interval = ttest_ind(before, after, equal_var=False).confidence_interval(0.95)
    return Ratio(value, float(np.exp(interval.low)), float(np.exp(interval.high)), min(len(before), len(after)))
