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
from typing import Any

import numpy as np
import pyperf

from bench.host.results import checks, store
from bench.host.results.machines import of_round
from bench.host.results.peers import peers_of, times_as_fast
from bench.host.results.run import Run
from bench.host.stats.noise import Floats
from bench.host.stats.paired import Ratio
from bench.host.system.errors import UsageError

APART = "Two separate runs, in {}: a machine that was busier during one of them shows here as a difference."
CLOCKS = {"cpu": "processor time", "wall": "time passed"}
INTERLEAVED = "Two rows of one run, whose rounds were interleaved, in time passed."
PROGRAMS = "Programs beside the engines are timed in time passed."
TOGETHER = "Two runtimes of one run, paired step by step."


@dataclasses.dataclass(frozen=True)
class Comparison:
    """How many times as fast the second side is: by engine, and their geometric mean.

    ``about``: how the two were measured, and what is not like with like. ``unmatched``: engines that only one side has.
    """

    title: str
    about: list[str]
    speedups: dict[str, Ratio]
    mean: Ratio
    unmatched: list[str]


@dataclasses.dataclass(frozen=True)
class Side:
    """One side: the logarithm of each round's mean seconds per step by ``clock``, by engine, and what must be alike.

    ``programs``: which of the names are not engines.
    """

    label: str
    logs: dict[str, Floats]
    workload: str
    machine: str
    build: str
    clock: str = "wall"
    programs: tuple[str, ...] = ()


def compare(first: str, second: str, find: Callable[[pathlib.Path], pathlib.Path], anyway: bool) -> list[Comparison]:
    """One for each runtime that both have, or for the one named of each, as in ``RUN:RUNTIME``; a file has one.

    ``find`` gives a run's folder. Raises UsageError where comparing makes no sense.
    """
    (one, one_runtime), (other, other_runtime) = (_open(text, find) for text in (first, second))
    if isinstance(one, Run) and isinstance(other, Run):
        if any(
            name is not None and name not in run.record.runtimes and peers_of(run)
            for run, name in ((one, one_runtime), (other, other_runtime))
        ):
            return [_rows(one, other, one_runtime, other_runtime)]
        pairs = _runtime_pairs(one, other, (one_runtime, other_runtime))
        if one.folder.resolve() == other.folder.resolve():
            return [_together(one, *pair) for pair in pairs]
        clocks = {run.record.plan.clock for run in (one, other)}
        clock = clocks.pop() if len(clocks) == 1 else "wall"  # which every run has
        return [
            _apart(_side(one, pair[0], clock), _side(other, pair[1], clock), pair[0] == pair[1], anyway)
            for pair in pairs
        ]
    left, right = _only_side(one, one_runtime), _only_side(other, other_runtime)
    same_version = left.build.split(".")[:2] == right.build.split(".")[:2]
    return [_apart(left, right, same_version, anyway)]


# --------------------------------------------------------------------- the sides


def _open(text: str, find: Callable[[pathlib.Path], pathlib.Path]) -> tuple[Run | Side, str | None]:
    path = pathlib.Path(text)
    if path.is_file() and path.name != "run.json":
        return _pyperf_side(path), None
    if not path.exists() and ":" in text:
        run, _, runtime = text.rpartition(":")
        return store.load(find(pathlib.Path(run))), runtime
    return store.load(find(path)), None


def _side(run: Run, runtime: str, clock: str = "wall") -> Side:
    record, times = run.record, run.times if clock == "cpu" else run.seconds
    cells = [(engine, runtime) for engine in record.engines if run.ok((engine, runtime))]
    logs = {cell[0]: np.log([mean for mean in times(cell).mean(axis=1) if mean == mean]) for cell in cells}
    if (beside := peers_of(run)) is not None:  # on no runtime, and so in each of their comparisons
        programs = {name: beside.seconds(name, runtime) for name in beside.checked}
        logs |= {name: np.log(seconds.mean(axis=1)) for name, seconds in programs.items() if seconds is not None}
    return Side(
        f"{run.folder.name} {runtime}",
        logs,
        repr(
            (record.workload.sha256, record.workload.config, record.plan.numbers, record.plan.lead_in, record.plan.gc)
        ),
        " ".join(sorted({str(of_round(run, entry)["identity"]) for entry in run.rounds})),
        record.runtimes[runtime].described["build"],
        clock,
        tuple(beside.checked) if beside else (),
    )


def _only_side(it: Run | Side, runtime: str | None) -> Side:
    """A pyperf file, or the runtime of a run that is compared with one."""
    if isinstance(it, Side):
        return it
    if runtime is None and len(it.record.runtimes) > 1:
        raise UsageError(f"{it.folder.name} has {', '.join(it.record.runtimes)}: name one, as in {it.folder.name}:NAME")
    name = runtime or next(iter(it.record.runtimes))
    _check_runtime(it, name)
    # what pyperf files say of workload, machine and build are other words than a run's: not compared
    return dataclasses.replace(_side(it, name), workload="", machine="", build="")


def _pyperf_side(path: pathlib.Path) -> Side:
    try:
        logs, facts = _timings(path)
    except UsageError:
        raise
    except Exception as error:  # pyperf raises whatever its parsing meets
        raise UsageError(f"{path} is not a pyperf file ({type(error).__name__}: {error})") from None
    if not logs:
        raise UsageError(f"{path} holds no timings")
    first = facts[0]
    return Side(
        path.stem,
        logs,
        str(first.get("workload", "")),
        str(first.get("cpu_model_name", "")),
        str(first.get("python_version", "")),
    )


def _timings(path: pathlib.Path) -> tuple[dict[str, Floats], list[dict[str, Any]]]:
    """By benchmark the logarithm of each process's mean seconds, and what pyperf says of each benchmark."""
    logs, facts = {}, []
    for benchmark in pyperf.BenchmarkSuite.load(str(path)).get_benchmarks():
        name = benchmark.get_name()
        if not isinstance(name, str):
            raise ValueError(f"{name!r} is no name of a benchmark")
        if benchmark.get_unit() != "second":
            raise UsageError(f"{path} holds {name} in {benchmark.get_unit()}s: give timings")
        means = [np.mean(run.values) for run in benchmark.get_runs() if run.values]
        if not all(checks.SHORTEST < mean < checks.LONGEST for mean in means):
            raise UsageError(f"{path} has a time for {name} that is not above 0: measure it again")
        if means:
            logs[name] = np.log(means)
            facts.append(benchmark.get_metadata())
    return logs, facts


def _runtime_pairs(first: Run, second: Run, named: tuple[str | None, str | None]) -> list[tuple[str, str]]:
    for run, name in zip((first, second), named):
        if name is not None:
            _check_runtime(run, name)
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


def _check_runtime(run: Run, name: str) -> None:
    if name not in run.record.runtimes:
        raise UsageError(f"{run.folder.name} has no runtime {name}: choose from {', '.join(run.record.runtimes)}")


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
    for side in (one, other):
        counts = sorted({len(side.logs[engine]) for engine in engines})
        if len(counts) > 1:
            raise UsageError(f"{side.label} has different numbers of processes per engine ({counts}): measure again")
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
            notes.append(f"NOT LIKE WITH LIKE: different {what}")
    ratios = {engine: _welch(one.logs[engine], other.logs[engine]) for engine in engines}
    unmatched = [engine for engine in {**one.logs, **other.logs} if engine not in engines]
    means = [np.mean([side.logs[engine] for engine in engines], axis=0) for side in (one, other)]
    programs = [PROGRAMS] if one.clock == "cpu" and any(engine in one.programs for engine in engines) else []
    above = [*notes, APART.format(CLOCKS[one.clock]), *programs]
    if any(" " in side.machine for side in (one, other)):
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
