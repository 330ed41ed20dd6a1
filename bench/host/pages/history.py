"""The runs under a results folder over time: a table, and a plot of chosen ratios with the places where they changed.

A ratio changes where PELT (Killick, Fearnhead and Eckley 2012, "Optimal Detection of Changepoints With a Linear
Computational Cost"), by the library ruptures, finds that the mean of its logarithm does: squared errors, at least two
runs on either side, and a penalty of 4 σ² log n for each change. σ is the larger of two: the typical run's own standard
error, and the scatter from one run to the next (median absolute difference, scaled as for normal noise). As
`tests/host/test_history.py` simulates, with a noise of 2 % a run at most 5 in 100 histories of 12 unchanged runs show a
change, and one of 10 % in their middle is found in 9 of 10. Fewer than four runs show none.

Only what can be compared makes one line: the same machine, build of Python, workload, and kind of clock.
"""

from __future__ import annotations

import dataclasses
import datetime
import difflib
import math
import pathlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.host.pages import chart_parts
from bench.host.pages.wording import columns, number, ratio_text
from bench.host.results import store
from bench.host.results.kinds import kind_of
from bench.host.results.records import REFERENCE
from bench.host.results.run import Run
from bench.host.results.table import NOTHING, Table
from bench.host.stats.paired import Ratio
from bench.host.system.errors import UsageError, needs_extra
from bench.workload.model_file import write_atomically

HEADLINES = ("combined", "compiled", "native")
FEWEST = 4  # runs in which a change is looked for
PENALTY = 4.0
SUFFIXES = (".svg", ".png", ".html")


@dataclasses.dataclass(frozen=True)
class Wanted:
    """A ratio to follow: ``base``'s time over ``engine``'s, on a runtime, or on each run's newest for None."""

    engine: str
    base: str
    runtime: str | None

    def __str__(self) -> str:
        return self.engine + (f"/{self.base}" if self.base != REFERENCE else "")


@dataclasses.dataclass(frozen=True)
class Point:
    """A run's value of a ratio; ``series`` is equal for what can be compared."""

    run: str
    created: datetime.datetime
    runtime: str
    ratio: Ratio
    series: tuple[str, ...]


def parse(text: str, runtime: str | None, runs: Sequence[Run]) -> Wanted:
    """A ratio as ENGINE or ENGINE/BASE, either of which may have a / itself, as the runs' rows do. Raises UsageError."""
    known = {engine for run in runs for engine in run.record.engines}
    splits = [(text, REFERENCE), *((text[:at], text[at + 1 :]) for at, letter in enumerate(text) if letter == "/")]
    for engine, base in splits:
        if engine in known and base in {*known, REFERENCE}:
            return Wanted(engine, base, runtime)
    engine, _, base = text.partition("/")
    if not engine or text.endswith("/") or "/" in base:
        raise UsageError(f"--ratio {text!r} is not ENGINE or ENGINE/BASE, as in compiled or fused_dot/tape")
    return Wanted(engine, base or REFERENCE, runtime)


def load(folder: pathlib.Path) -> tuple[list[Run], list[str]]:
    """The readable runs of a folder by date, and a line for each other folder that claims to be one."""
    runs, unread = [], []
    for path in sorted(folder.glob("*/run.json")):
        if kind_of(path.parent) not in ("run", "check"):
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


def check(runs: Sequence[Run], wanted: Sequence[Wanted], runtime: str | None) -> None:
    """Raises UsageError, with the nearest name, for an engine or a runtime that none of the runs has."""
    if not runs:
        return  # that none could be read says the table
    names = sorted({engine for run in runs for engine in run.record.engines})
    for ratio in wanted:
        for engine in (ratio.engine, ratio.base):
            if engine not in names:
                near = difflib.get_close_matches(engine, names, n=1, cutoff=0.4)
                hint = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(names)}"
                raise UsageError(f"--ratio {ratio}: no run has an engine {engine!r}: {hint}")
    runtimes = dict.fromkeys(name for run in runs for name in run.record.runtimes)
    if runtime is not None and not any(_is_runtime(runtime, name) for name in runtimes):
        raise UsageError(f"no run has a runtime {runtime!r}: choose from {', '.join(runtimes)}")


def table(runs: Sequence[Run], wanted: Sequence[Wanted], unread: Sequence[str]) -> Table:
    """One row a run, oldest first; a ratio's cell has the runtime where that is not the same in all rows."""
    points = [[_point(run, ratio) for ratio in wanted] for run in runs]
    on = {point.runtime for row in points for point in row if point}
    rows = []
    for run, found in zip(runs, points):
        statuses = {run.status(cell)[0] for cell in run.cells}
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
                *(_cell(point, len(on) > 1) for point in found),
            ]
        )
    where = f" on {columns(sorted(on))[0]}" if len(on) == 1 else ", on each run's newest runtime"
    return Table(
        title="Runs, oldest first",
        above=[
            f"Ratios: speed over the reference{where if on else ''}, ± half the 95 % interval in per cent.",
            "machine: its processor, and the first letters of what tells machines apart.",
        ],
        headers=["run", "date", "machine", "runtimes", "rounds", "losses", *map(str, wanted)],
        rows=rows,
        below=[*changes(runs, wanted), *unread],
    )


def changes(runs: Sequence[Run], wanted: Sequence[Wanted]) -> list[str]:
    """A line for each change of a ratio between two runs that can be compared."""
    lines = []
    for ratio in wanted:
        for points in _series(runs, ratio):
            try:
                found = change_points(points)
            except UsageError as error:  # a table without them is better than none
                return [str(error)]
            for at in found:
                before, after = (_mean(part) for part in _around(points, found, at))
                lines.append(
                    f"{ratio} on {points[at].runtime} changed at {points[at].run}: {number(before)} before, {number(after)} after"
                )
    return lines


def change_points(points: Sequence[Point]) -> list[int]:
    """Indices of the runs from which on the ratio is another one. Raises UsageError without ruptures."""
    known = [point for point in points if point.ratio.low is not None and point.ratio.high is not None]
    if len(points) < FEWEST:
        return []
    logs = np.array([math.log(point.ratio.value) for point in points])
    errors = [math.log((p.ratio.high or 1) / (p.ratio.low or 1)) / 2 / 1.96 for p in known] or [0.0]
    scatter = float(np.median(np.abs(np.diff(logs)))) / 0.6745 / math.sqrt(2)
    noise = max(scatter, float(np.median(errors)), 1e-6)  # equal values have no scatter, and one must be left
    penalty = PENALTY * noise**2 * math.log(len(logs))
    try:
        import ruptures
    except ImportError:
        raise needs_extra("changes", "ruptures") from None
    found = ruptures.Pelt(model="l2", min_size=2, jump=1).fit(logs.reshape(-1, 1)).predict(pen=penalty)
    return [int(at) for at in found[:-1]]


def plot(runs: Sequence[Run], wanted: Sequence[Wanted], path: pathlib.Path) -> None:
    """The ratios over the runs as SVG, PNG or HTML, by the file's suffix. Raises UsageError."""
    try:
        import vl_convert
    except ImportError:
        raise needs_extra("plots", "vl-convert") from None
    values: list[dict[str, Any]] = []
    marks: list[dict[str, Any]] = []
    for ratio in wanted:
        for serial, points in enumerate(_series(runs, ratio), 1):
            changed = change_points(points)
            for index, point in enumerate(points):
                value = {
                    "run": point.run,
                    "date": point.created.isoformat(),
                    "ratio": point.ratio.value,
                    "low": point.ratio.low or point.ratio.value,
                    "high": point.ratio.high or point.ratio.value,
                    "what": str(ratio),
                    "runtime": point.runtime,
                    "line": f"{point.runtime} {serial}",
                    "speed": ratio_text(point.ratio),
                }
                values.append(value)
                if index in changed:
                    before, after = (_mean(part) for part in _around(points, changed, index))
                    marks.append({**value, "label": f"{number(before)} → {number(after)}"})
    if not values:
        raise UsageError(f"no run has {', '.join(map(str, wanted))}: nothing to plot")
    spec = _spec(values, marks)
    if path.suffix == ".html":
        write_atomically(path, vl_convert.vegalite_to_html(spec, bundle=True))
    elif path.suffix == ".png":
        write_atomically(path, vl_convert.vegalite_to_png(spec, scale=2))
    else:
        write_atomically(path, vl_convert.vegalite_to_svg(spec))


def check_plot(path: pathlib.Path) -> None:
    """Raises UsageError for a file that is none of the kinds that can be made."""
    if path.suffix not in SUFFIXES:
        raise UsageError(f"{path} is no kind of picture that is made here: end it with {', '.join(SUFFIXES)}")


# --------------------------------------------------------------------- parts


def _date(run: Run) -> datetime.datetime:
    created = datetime.datetime.fromisoformat(run.record.created)
    return created if created.tzinfo else created.replace(tzinfo=datetime.UTC)


def _newest(run: Run, wanted: Wanted) -> str | None:
    """The runtime asked for if the run has it, or the newest version on which both engines were measured."""
    able = [name for name in run.record.runtimes if run.ok((wanted.engine, name), (wanted.base, name))]
    if wanted.runtime is None:
        versions = {name: str(run.record.runtimes[name].described["python"]) for name in able}
        return max(able, key=lambda name: [int(part) for part in re.findall(r"\d+", versions[name])[:3]], default=None)
    return next((name for name in able if _is_runtime(wanted.runtime, name)), None)


def _is_runtime(asked: str, name: str) -> bool:
    """Whether a runtime is meant: cpython-3.14 may be called 3.14."""
    return asked in (name, name.partition("-")[2])


def _point(run: Run, wanted: Wanted) -> Point | None:
    runtime = _newest(run, wanted)
    if runtime is None:
        return None
    record = run.record
    ratio = run.speedup(wanted.engine, runtime, wanted.base)
    assert ratio is not None  # `_newest` chose the runtime for it
    alike = (
        str(record.machine["identity"]),
        runtime,
        str(record.runtimes[runtime].described["build"]),
        repr(sorted(record.runtimes[runtime].environment.items())),
        record.workload.sha256,
        repr(sorted(record.workload.config.items())),
        f"{record.plan.steps} {record.plan.gc} {record.plan.clock}",
    )
    return Point(run.folder.name, _date(run), runtime, ratio, alike)


def _series(runs: Sequence[Run], wanted: Wanted) -> list[list[Point]]:
    """The ratio's points, those together that can be compared."""
    found: dict[tuple[str, ...], list[Point]] = {}
    for run in runs:
        point = _point(run, wanted)
        if point is not None:
            found.setdefault(point.series, []).append(point)
    return list(found.values())


def _around(points: Sequence[Point], changed: Sequence[int], at: int) -> tuple[Sequence[Point], Sequence[Point]]:
    """The points between the change before and the one at index ``at``, and those from it to the next."""
    cuts = [0, *changed, len(points)]
    place = cuts.index(at)
    return points[cuts[place - 1] : at], points[at : cuts[place + 1]]


def _mean(points: Sequence[Point]) -> float:
    return float(np.exp(np.mean([math.log(point.ratio.value) for point in points])))


def _cell(point: Point | None, with_runtime: bool) -> str:
    if point is None:
        return NOTHING
    text = ratio_text(point.ratio, short=True)
    return f"{text} on {columns([point.runtime])[0]}" if with_runtime else text


def _spec(values: list[dict[str, Any]], marks: list[dict[str, Any]]) -> dict[str, Any]:
    """A panel for each ratio on a scale of its own: beside a ratio of 2000 a change from 10 to 9 would not be seen."""
    runtimes = list(dict.fromkeys(value["runtime"] for value in values))
    x = {"field": "date", "type": "temporal", "title": None, "scale": {"padding": 12}}
    kind = {"field": "runtime", "type": "nominal", "legend": {"orient": "top", "title": None}}
    color = {**kind, "scale": {"domain": runtimes, "range": chart_parts.COLOURS[: len(runtimes)]}}
    shape = {**kind, "scale": {"domain": runtimes, "range": chart_parts.SHAPES[: len(runtimes)]}}
    tip = [{"field": field, "title": field} for field in ("run", "what", "runtime", "speed")] + [
        {"field": "date", "type": "temporal", "format": "%Y-%m-%d %H:%M"}
    ]
    detail = {"field": "line", "type": "nominal"}

    def panel(ratio: str) -> dict[str, Any]:
        scale = {"type": "log", "nice": False, "padding": 20}
        axis = {"format": "~g", "tickCount": 5}
        y = {"field": "ratio", "type": "quantitative", "title": f"speed of {ratio}", "scale": scale, "axis": axis}
        own = [mark for mark in marks if mark["what"] == ratio]
        line, label = {"type": "rule", "strokeDash": [5, 4]}, {"type": "text", "align": "left", "dx": 6, "dy": -12}
        changed = [
            {"data": {"values": own}, "mark": line},
            {"data": {"values": own}, "mark": label, "encoding": {"y": y, "text": {"field": "label"}}},
        ]
        return {
            "width": 720,
            "height": 150,
            "data": {"values": [value for value in values if value["what"] == ratio]},
            "encoding": {"x": x, "color": color},
            "layer": [
                {"mark": {"type": "line", "opacity": 0.6}, "encoding": {"y": y, "detail": detail}},
                {"mark": "rule", "encoding": {"y": {**y, "field": "low"}, "y2": {"field": "high"}}},
                {
                    "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1},
                    "encoding": {"y": y, "shape": shape, "tooltip": tip},
                },
                *(changed if own else []),
            ],
        }

    return {
        "background": "white",
        "title": {
            "text": "Ratios from run to run",
            "subtitle": "Log scales. Bars: 95 % intervals. Dashed: the ratio changed. A line joins runs of one machine, build and workload.",
            "anchor": "start",
        },
        "resolve": {"scale": {"x": "shared"}},
        "vconcat": [panel(ratio) for ratio in dict.fromkeys(value["what"] for value in values)],
    }
