"""What is compared: a run's runtime, or a pyperf file, as each round's mean time by engine."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np

from bench.host.results import checks, store
from bench.host.results.bases import Base
from bench.host.results.machines import of_round
from bench.host.results.peers import peers_of
from bench.host.results.run import Run
from bench.host.stats.noise import Floats
from bench.host.stats.paired import round_log_ratios
from bench.host.system.errors import UsageError


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


def opened(text: str, find: Callable[[pathlib.Path], pathlib.Path]) -> tuple[Run | Side, str | None]:
    """A run with the runtime or row that was named of it, or a pyperf file. Raises UsageError."""
    path = pathlib.Path(text)
    if path.is_file() and path.name != "run.json":
        return _pyperf_side(path), None
    if not path.exists() and ":" in text:
        run, _, runtime = text.rpartition(":")
        return store.load(find(pathlib.Path(run))), runtime
    return store.load(find(path)), None


def side(run: Run, runtime: str, clock: str = "wall") -> Side:
    """A runtime of a run, and programs beside its engines."""
    record, times = run.record, run.times if clock == "cpu" else run.seconds
    cells = [(engine, runtime) for engine in record.engines if run.ok((engine, runtime))]
    logs = {cell[0]: np.log([mean for mean in times(cell).mean(axis=1) if mean == mean]) for cell in cells}
    if (beside := peers_of(run)) is not None:  # on no runtime, and so in each of their comparisons
        programs = {name: beside.seconds(name, runtime) for name in beside.checked}
        logs |= {name: np.log(seconds.mean(axis=1)) for name, seconds in programs.items() if seconds is not None}
    return Side(
        f"{run.folder.name} {runtime}",
        logs,
        repr((record.workload.sha256, record.workload.config, *record.plan.which, record.plan.gc)),
        " ".join(sorted({str(of_round(run, entry)["identity"]) for entry in run.rounds})),
        record.runtimes[runtime].described["build"],
        clock,
        tuple(beside.checked) if beside else (),
    )


def over(it: Side, run: Run, runtime: str, base: Base) -> Side:
    """The same side with each round's logarithm of time relative to the base's, paired step by step, in place of time.

    Of engines alone, and without those that the run has no base for, the base itself among them.
    """
    logs = {}
    for engine in run.record.engines:
        cell, other = (engine, runtime), base.of(run, engine, runtime)
        if other is not None and other != cell and run.ok(other, cell):
            says = -round_log_ratios(*run.pair(other, cell))[0]
            logs[engine] = says[~np.isnan(says)]
    return dataclasses.replace(it, logs=logs, programs=())


def only_side(it: Run | Side, runtime: str | None) -> Side:
    """A pyperf file, or the runtime of a run that is compared with one."""
    if isinstance(it, Side):
        return it
    if runtime is None and len(it.record.runtimes) > 1:
        raise UsageError(f"{it.folder.name} has {', '.join(it.record.runtimes)}: name one, as in {it.folder.name}:NAME")
    name = runtime or next(iter(it.record.runtimes))
    check_runtime(it, name)
    # what pyperf files say of workload, machine and build are other words than a run's: not compared
    return dataclasses.replace(side(it, name), workload="", machine="", build="")


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
    import pyperf  # here: its import takes longer than most commands

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


def check_runtime(run: Run, name: str) -> None:
    """Raises UsageError for a runtime that the run has not."""
    if name not in run.record.runtimes:
        raise UsageError(f"{run.folder.name} has no runtime {name}: choose from {', '.join(run.record.runtimes)}")
