"""Two runs side by side: per engine, how many times as fast the second is as the first.

Runs are made at different times, so nothing pairs: what is compared are the rounds' mean times, by Welch's interval
on their logarithms (Welch 1947). A machine that was busier during one of them shows as a difference; only what is
measured in one lockstep run is free of that, and the tables say so.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import ttest_ind

from bench.host import tables
from bench.host.errors import UsageError
from bench.host.results import Run
from bench.host.tables import NOTHING, Table


def compare(first: Run, second: Run, runtimes: tuple[str | None, str | None], anyway: bool) -> list[Table]:
    """A table per runtime that both have, or for the one named of each. Raises UsageError where comparing makes no sense."""
    notes = []
    for what, one, other in (
        ("workloads", _workload(first), _workload(second)),
        ("machines", first.record.machine["identity"], second.record.machine["identity"]),
    ):
        if one != other:
            if not anyway:
                raise UsageError(
                    f"{first.folder.name} and {second.folder.name} have different {what}: compare them with --anyway"
                )
            notes.append(f"NOT LIKE WITH LIKE: the runs have different {what}")
    pairs = _runtime_pairs(first, second, runtimes)
    found = []
    for one, other in pairs:
        lines = [*notes, "Two separate runs: a machine that was busier during one of them shows here as a difference."]
        if first.record.runtimes[one].described["build"] != second.record.runtimes[other].described["build"]:
            lines.append(
                f"different builds: {tables.runtime_line(first.record.runtimes[one])} | {tables.runtime_line(second.record.runtimes[other])}"
            )
        rows, logs = [], []
        for engine in first.record.engines:
            if engine not in second.record.engines:
                continue
            if first.status((engine, one))[0] != "ok" or second.status((engine, other))[0] != "ok":
                rows.append([engine, NOTHING, NOTHING])
                continue
            before, after = (
                np.log(run.seconds((engine, name)).mean(axis=1)) for run, name in ((first, one), (second, other))
            )
            logs.append(before.mean() - after.mean())
            rows.append([engine, f"{np.exp(logs[-1]):.2f}", _interval(before, after)])
        if logs:
            rows.append(["geometric mean", f"{np.exp(np.mean(logs)):.2f}", ""])
        label = one if one == other else f"{one} → {other}"
        found.append(
            Table(
                f"{first.folder.name} → {second.folder.name}: {label}",
                lines,
                ["engine", "speed", "95 % interval"],
                rows,
                [],
            )
        )
    return found


def _workload(run: Run) -> tuple[object, ...]:
    return run.record.workload.sha256, run.record.workload.config, run.record.plan.steps, run.record.plan.gc


def _runtime_pairs(first: Run, second: Run, named: tuple[str | None, str | None]) -> list[tuple[str, str]]:
    for run, name in zip((first, second), named):
        if name is not None and name not in run.record.runtimes:
            raise UsageError(f"{run.folder.name} has no runtime {name}: choose from {', '.join(run.record.runtimes)}")
    if named[0] and named[1]:
        return [(named[0], named[1])]
    shared = [
        name
        for name in first.record.runtimes
        if name in second.record.runtimes and named in ((None, None), (name, None), (None, name))
    ]
    if not shared:
        raise UsageError("the runs share no runtime: name one of each, as in RUN:cpython-3.14 OTHER:cpython-3.15")
    return [(name, name) for name in shared]


def _interval(before: np.ndarray, after: np.ndarray) -> str:
    if len(before) < 2 or len(after) < 2:
        return "one round"
    low, high = np.exp(ttest_ind(before, after, equal_var=False).confidence_interval(0.95))
    return f"[{low:.2f}, {high:.2f}]{' (=)' if low <= 1 <= high else ''}"
