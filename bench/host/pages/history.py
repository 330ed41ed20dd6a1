"""The runs under a results folder over time: a table of chosen ratios, and where they changed from one run to the next.

A ratio changes where the mean of its logarithm does, as stats/change_points.py finds. Only what can be compared makes one
series: the same machine, build of Python, workload, and kind of clock.
"""

from __future__ import annotations

import dataclasses
import datetime
import difflib
import math
import pathlib
import re
import statistics
from collections.abc import Sequence

from bench.host.pages.wording import columns, number, ratio_text
from bench.host.results import store
from bench.host.results.kinds import kind_of
from bench.host.results.peers import peers_of
from bench.host.results.records import REFERENCE
from bench.host.results.run import Run
from bench.host.results.table import NOTHING, Table
from bench.host.stats.change_points import change_points
from bench.host.stats.paired import Ratio
from bench.host.system.errors import UsageError

HEADLINES = ("combined", "compiled", "native")


@dataclasses.dataclass(frozen=True)
class FollowedRatio:
    """A ratio to follow: ``base``'s time over ``engine``'s, on a runtime, or on each run's newest for None."""

    engine: str
    base: str
    runtime: str | None

    def __str__(self) -> str:
        return self.engine + (f"/{self.base}" if self.base != REFERENCE else "")


@dataclasses.dataclass(frozen=True)
class RatioPoint:
    """A run's value of a ratio; ``series`` is equal for what can be compared."""

    run: str
    created: datetime.datetime
    runtime: str
    ratio: Ratio
    series: tuple[str, ...]


def parse(text: str, runtime: str | None, runs: Sequence[Run]) -> FollowedRatio:
    """A ratio as ENGINE or ENGINE/BASE, either of which may have a / itself, as the runs' rows do. Raises UsageError."""
    known = {name for run in runs for name in _names(run)}
    splits = [(text, REFERENCE), *((text[:at], text[at + 1 :]) for at, letter in enumerate(text) if letter == "/")]
    for engine, base in splits:
        if engine in known and base in {*known, REFERENCE}:
            return FollowedRatio(engine, base, runtime)
    engine, _, base = text.partition("/")
    if not engine or text.endswith("/") or "/" in base:
        raise UsageError(f"--ratio {text!r} is not ENGINE or ENGINE/BASE, as in compiled or fused_dot/tape")
    return FollowedRatio(engine, base or REFERENCE, runtime)


def load(folder: pathlib.Path) -> tuple[list[Run], list[str]]:
    """The readable runs of a folder by date, and a line for each other folder that claims to be one."""
    runs, unread = [], []
    for path in sorted(folder.glob("*/run.json")):
        if kind_of(path.parent) not in ("run", "check", "peers"):
            continue  # nothing in them is a run of engines over one workload
        try:
            run = store.load(path.parent)
            _date(run)
        except (UsageError, ValueError) as error:
            unread.append(f"not read: {error}")
        else:
            runs.append(run)
    if not runs and not unread:
        raise UsageError(f"no run in {folder} yet: microgpt-bench run makes one")
    return sorted(runs, key=_date), unread


def check(runs: Sequence[Run], wanted: Sequence[FollowedRatio], runtime: str | None) -> None:
    """Raises UsageError, with the nearest name, for an engine or a runtime that none of the runs has."""
    if not runs:
        return  # that none could be read says the table
    names = sorted({name for run in runs for name in _names(run)})
    for ratio in wanted:
        for engine in (ratio.engine, ratio.base):
            if engine not in names:
                near = difflib.get_close_matches(engine, names, n=1, cutoff=0.4)
                hint = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(names)}"
                raise UsageError(f"--ratio {ratio}: no run has an engine {engine!r}: {hint}")
    runtimes = dict.fromkeys(name for run in runs for name in run.record.runtimes)
    if runtime is not None and not any(_is_runtime(runtime, name) for name in runtimes):
        raise UsageError(f"no run has a runtime {runtime!r}: choose from {', '.join(runtimes)}")


def table(runs: Sequence[Run], wanted: Sequence[FollowedRatio], unread: Sequence[str]) -> Table:
    """One row a run, oldest first; a ratio's cell has the runtime where that is not the same in all rows."""
    points = [[_point(run, ratio) for ratio in wanted] for run in runs]
    on = {point.runtime for row in points for point in row if point}
    rows = []
    for run, followed in zip(runs, points):
        statuses = {run.status(cell)[0] for cell in run.cells}
        if (beside := peers_of(run)) is not None:
            statuses |= {done.status for entry in beside.record.rounds for done in entry.values()}
        if not run.rounds:
            verdict = "no round"
        elif "diverged" in statuses:
            verdict = "DIVERGED"
        elif "failed" in statuses:
            verdict = "FAILED"
        else:
            verdict = "agree" if run.good() else "BROKEN"
        machine, plan = run.record.machine, run.record.plan
        rows.append(
            [
                run.folder.name,
                f"{_date(run):%Y-%m-%d %H:%M}",
                f"{machine['cpu']} {str(machine['identity'])[:4]}",
                " ".join(columns(list(run.record.runtimes))) + (f", gc {plan.gc}" if plan.gc != "on" else ""),
                f"{len(run.rounds)}",
                verdict,
                *(_cell(point, len(on) > 1) for point in followed),
            ]
        )
    where = f" on {columns(sorted(on))[0]}" if len(on) == 1 else ", on each run's newest runtime"
    return Table(
        title="Runs, oldest first",
        above=[
            f"Ratios: speedup over the reference{where if on else ''}, ± half the 95 % interval, in percent.",
            "machine: its processor, and the start of the digest that identifies it.",
        ],
        headers=["run", "date", "machine", "runtimes", "rounds", "losses", *map(str, wanted)],
        rows=rows,
        below=[*changes(runs, wanted), *unread],
    )


def changes(runs: Sequence[Run], wanted: Sequence[FollowedRatio]) -> list[str]:
    """A line for each change of a ratio between two runs that can be compared."""
    lines = []
    for ratio in wanted:
        for points in series(runs, ratio):
            try:
                changed = change_points([point.ratio for point in points])
            except UsageError as error:  # a table without them is better than none
                return [str(error)]
            for at in changed:
                before, after = before_and_after(points, changed, at)
                lines.append(
                    f"{ratio} on {points[at].runtime} changed at {points[at].run}: {number(before)} before, {number(after)} after"
                )
    return lines


def _date(run: Run) -> datetime.datetime:
    created = datetime.datetime.fromisoformat(run.record.created)
    return created if created.tzinfo else created.replace(tzinfo=datetime.UTC)


def _names(run: Run) -> list[str]:
    """What a run has ratios of: its engines, and the programs beside them that were checked."""
    beside = peers_of(run)
    return [*run.record.engines, *(beside.checked if beside else ())]


def _ratio(run: Run, wanted: FollowedRatio, runtime: str) -> Ratio | None:
    """The run's ratio on a runtime; None where one of the two has no time that counts."""
    beside = peers_of(run)
    if beside is not None and {wanted.engine, wanted.base} & {*beside.checked}:
        return beside.speedup(wanted.engine, wanted.base, runtime)
    both = (wanted.engine, runtime), (wanted.base, runtime)
    return run.speedup(wanted.engine, runtime, wanted.base) if run.ok(*both) else None


def _newest(run: Run, wanted: FollowedRatio) -> str | None:
    """The runtime asked for if the run has it, or the newest version on which both engines were measured."""
    able = [name for name in run.record.runtimes if _ratio(run, wanted, name) is not None]
    if wanted.runtime is None:
        versions = {name: str(run.record.runtimes[name].described["python"]) for name in able}
        return max(able, key=lambda name: [int(part) for part in re.findall(r"\d+", versions[name])[:3]], default=None)
    return next((name for name in able if _is_runtime(wanted.runtime, name)), None)


def _is_runtime(asked: str, name: str) -> bool:
    """Whether a runtime is meant: cpython-3.14 may be called 3.14."""
    return asked in (name, name.partition("-")[2])


def _point(run: Run, wanted: FollowedRatio) -> RatioPoint | None:
    runtime = _newest(run, wanted)
    if runtime is None:
        return None
    record = run.record
    ratio, beside = _ratio(run, wanted, runtime), peers_of(run)
    programs = [peer for peer in beside.record.peers if peer.name in (wanted.engine, wanted.base)] if beside else []
    assert ratio is not None  # `_newest` chose the runtime for it
    alike = (
        str(record.machine["identity"]),
        runtime,
        str(record.runtimes[runtime].described["build"]),
        repr(sorted(record.runtimes[runtime].environment.items())),
        record.workload.sha256,
        repr(sorted(record.workload.config.items())),
        f"{record.plan.which} {record.plan.gc} {record.plan.clock}",
        *map(repr, programs),
    )
    return RatioPoint(run.folder.name, _date(run), runtime, ratio, alike)


def series(runs: Sequence[Run], wanted: FollowedRatio) -> list[list[RatioPoint]]:
    """The ratio's points, those together that can be compared."""
    alike: dict[tuple[str, ...], list[RatioPoint]] = {}
    for run in runs:
        point = _point(run, wanted)
        if point is not None:
            alike.setdefault(point.series, []).append(point)
    return list(alike.values())


def before_and_after(points: Sequence[RatioPoint], changed: Sequence[int], at: int) -> tuple[float, float]:
    """The mean ratio between the change before and the one at index ``at``, and from it to the next."""
    cuts = [0, *changed, len(points)]
    place = cuts.index(at)
    before, after = points[cuts[place - 1] : at], points[at : cuts[place + 1]]
    first, second = (
        math.exp(statistics.fmean(math.log(point.ratio.value) for point in part)) for part in (before, after)
    )
    return first, second


def _cell(point: RatioPoint | None, with_runtime: bool) -> str:
    if point is None:
        return NOTHING
    text = ratio_text(point.ratio, short=True)
    return f"{text} on {columns([point.runtime])[0]}" if with_runtime else text
