"""Charts of a run as Vega-Lite specifications, from the same ratios as the tables. Nothing is drawn by hand.

Vega-Lite (Satyanarayan et al. 2017), through vl-convert, because one specification gives the interactive chart of the
report and the picture of the README without a browser, and its scripts take a sixth of the space that Plotly's take.

Each specification has its data inside. Where it says so it listens to the parameters ``engines`` and ``runtimes``, the
names that are to be shown: the report's page sets them. Nothing is told by colour alone: engines and runtimes have shapes
too, and stand at their own place on an axis or beside the end of their line.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.host.pages.tables import columns, number
from bench.host.results.parity import parity_text
from bench.host.results.records import REFERENCE, key
from bench.host.results.run import Run
from bench.host.stats.paired import Ratio, typical

Spec = dict[str, Any]
# Okabe and Ito's colours, told apart by people who see few colours, then others that show on white and on black
COLOURS = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c564b", "#7f7f7f", "#bcbd22", "#17becf",
    "#9467bd", "#2ca02c", "#d62728", "#e7298a", "#6b6ecf", "#8c6d31", "#637939", "#ad494a", "#3182bd", "#a55194",
]  # fmt: skip
SHAPES = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left"]
VERSIONS_HEIGHT = 420  # pixels
MOST_POINTS = 6_000  # of single steps in one chart: more are thinned out


@dataclasses.dataclass(frozen=True)
class Chart:
    """A chart of the report: ``caption`` says in plain words how to read it."""

    name: str
    title: str
    caption: str
    spec: Spec


def charts(run: Run) -> list[Chart]:
    """Every chart that the run has data for. Raises UsageError from ratios as the tables do."""
    found = [_speeds(run), _heat(run), _versions(run), _bought(run), losses(run), differences(run), _spread(run)]
    found += [_drift(run), *sizes(run)]
    return [chart for chart in found if chart.spec["data"]["values"]]


def names(run: Run) -> tuple[list[str], list[str]]:
    """Engines that were measured anywhere, and runtimes, as charts call them."""
    engines = [e for e in run.record.engines if any(run.ok((e, r)) for r in run.record.runtimes)]
    return engines, columns(list(run.record.runtimes))


# --------------------------------------------------------------------- parts of specifications


def label(run: Run, runtime: str) -> str:
    """A runtime as charts call it."""
    runtimes = list(run.record.runtimes)
    return columns(runtimes)[runtimes.index(runtime)]


def _scale(domain: Sequence[str], values: Sequence[str]) -> Spec:
    return {"domain": list(domain), "range": [values[i % len(values)] for i in range(len(domain))]}


def _by_engine(run: Run, legend: Spec | None = None) -> Spec:
    engines, _ = names(run)
    return {
        "color": {"field": "engine", "type": "nominal", "scale": _scale(engines, COLOURS), "legend": legend},
        "shape": {"field": "engine", "type": "nominal", "scale": _scale(engines, SHAPES), "legend": legend},
    }


def _by_runtime(run: Run) -> Spec:
    _, runtimes = names(run)
    fit = f"max(1, floor(width / {36 + 7 * max(map(len, runtimes), default=0)}))"  # beside one another
    legend: Spec | None = {"orient": "top", "title": "runtime", "labelLimit": 0, "columns": {"expr": fit}}
    legend = legend if len(runtimes) > 1 else None
    return {
        "color": {"field": "runtime", "type": "nominal", "scale": _scale(runtimes, COLOURS), "legend": legend},
        "shape": {"field": "runtime", "type": "nominal", "scale": _scale(runtimes, SHAPES), "legend": legend},
    }


def spec(run: Run, values: list[Spec], rest: Spec, height: int | Spec) -> Spec:
    """A specification that listens to what the page says is to be shown."""
    engines, runtimes = names(run)
    chosen = "(!isValid(datum.engine) || indexof(engines, datum.engine) >= 0)"
    shown = "(!isValid(datum.runtime) || indexof(runtimes, datum.runtime) >= 0)"
    return {
        "width": "container",
        "height": height,
        "background": None,
        "params": [{"name": "engines", "value": engines}, {"name": "runtimes", "value": runtimes}],
        "data": {"values": values},
        "transform": [{"filter": f"{chosen} && {shown}"}, *rest.pop("transform", [])],
        **rest,
    }


def _q(field: str, title: str, scale: Spec | None = None, **more: Any) -> Spec:
    return {"field": field, "type": "quantitative", "title": title, "scale": scale or {}, **more}


def tooltip(*fields: tuple[str, str]) -> list[Spec]:
    """Fields with their titles."""
    return [{"field": field, "title": title} for field, title in fields]


LOG = {"type": "log"}
# lines at powers of ten stand out, the others show where between two of them a point is
IS_DECADE = "round(log(datum.value) / LN10 * 1e6) % 1e6 == 0"
DECADES = {"gridOpacity": {"condition": {"test": IS_DECADE, "value": 1}, "value": 0.35}}
RATIO = "times as fast as the reference"
ROWS = {"step": 26}


def ratio_axis(title: str) -> Spec:
    """A logarithmic axis of the field ``ratio``."""
    return _q("ratio", title, {**LOG, "nice": False, "padding": 8}, axis={"format": "~g", "tickCount": 8, **DECADES})


def _speed_values(run: Run) -> list[Spec]:
    values = []
    for engine, runtime in run.cells:
        ratio = None if engine == REFERENCE else run.speedup(engine, runtime)
        if ratio is None:
            continue
        finding = run.finding((engine, runtime))
        values.append(
            {
                "engine": engine,
                "runtime": label(run, runtime),
                **_uncertain(ratio),
                "ms": number(typical(run.seconds((engine, runtime))) * 1e3),
                "parity": "" if finding is None else parity_text(finding),
            }
        )
    return values


SPEED_TIP = (
    ("engine", "engine"),
    ("runtime", "runtime"),
    ("speed", "speed"),
    ("interval", "95 % interval"),
    ("ms", "ms/step"),
    ("parity", "parity"),
)


def _order(run: Run) -> list[str]:
    """Engines, fastest first, by the geometric mean over runtimes: for axes."""
    logs: dict[str, list[float]] = {}
    for value in _speed_values(run):
        logs.setdefault(value["engine"], []).append(math.log(value["ratio"]))
    measured = sorted(logs, key=lambda engine: -float(np.mean(logs[engine])))
    return measured + [engine for engine in names(run)[0] if engine not in logs]


# --------------------------------------------------------------------- the charts


HOLLOW = " A hollow point has no interval, as of one round or too few: where it stands may be chance."


def points(x: Spec, place: Spec, colours: Spec, tip: list[Spec]) -> list[Spec]:
    """Points with their intervals, along ``x``; hollow and without one where the value is ``uncertain``."""
    found: list[Spec] = [
        {
            "transform": [{"filter": "!datum.uncertain"}],
            "mark": {"type": "rule", "strokeWidth": 1.5},
            "encoding": {**place, "x": {**x, "field": "low"}, "x2": {"field": "high"}, "color": colours["color"]},
        }
    ]
    for which, filled in (("!datum.uncertain", True), ("datum.uncertain", False)):
        mark = {"type": "point", "filled": filled, "size": 42, "opacity": 1}
        encoding = {**place, "x": x, **colours, "tooltip": tip}
        found.append({"transform": [{"filter": which}], "mark": mark, "encoding": encoding})
    return found


def _intervals(run: Run, x: Spec, place: Spec, tip: list[Spec]) -> list[Spec]:
    """Points with their intervals, and a dashed line at 1."""
    return [
        {
            "data": {"values": [{"ratio": 1}]},
            "mark": {"type": "rule", "strokeDash": [4, 4], "opacity": 0.7},
            "encoding": {"x": {"field": "ratio", "type": "quantitative"}},
        },
        *points(x, place, _by_runtime(run), tip),
    ]


def _uncertain(ratio: Ratio) -> Spec:
    """The fields of a value whose ratio may have no interval."""
    certain = ratio.low is not None and ratio.high is not None
    return {
        "ratio": ratio.value,
        "low": ratio.low or ratio.value,
        "high": ratio.high or ratio.value,
        "uncertain": not certain,
        "interval": f"{number(ratio.low or 0)} to {number(ratio.high or 0)}" if certain else "one round",
        "speed": number(ratio.value) + ("" if certain else " ?"),
    }


def _hollow(values: list[Spec]) -> str:
    return HOLLOW if any(value["uncertain"] for value in values) else ""


def _speeds(run: Run) -> Chart:
    values, (_, runtimes) = _speed_values(run), names(run)
    y = {"field": "engine", "type": "nominal", "sort": _order(run), "title": None, "axis": {"labelLimit": 200}}
    offset = {"field": "runtime", "type": "nominal", "scale": {"domain": runtimes}}
    x = ratio_axis(f"{RATIO}, log scale")
    rest = {"layer": _intervals(run, x, {"y": y, "yOffset": offset}, tooltip(*SPEED_TIP))}
    rows = {"step": max(3, min(8, 34 // len(runtimes))), "for": "offset"} if len(runtimes) > 1 else ROWS
    return Chart(
        "speed",
        "Speed of each engine",
        "Time of the reference over time of the engine on the same runtime, paired step by step. Right of the dashed line is"
        " faster. The bar is the 95 % interval; where it is not seen, it is narrower than the point." + _hollow(values),
        spec(run, values, rest, rows),
    )


def _heat(run: Run) -> Chart:
    values = _speed_values(run)
    order, (_, runtimes) = _order(run), names(run)
    x: Spec = {"field": "runtime", "type": "nominal", "sort": runtimes, "title": None}
    x["axis"] = {"orient": "top", "labelAngle": 0}
    y = {"field": "engine", "type": "nominal", "sort": order, "title": None, "axis": {"labelLimit": 200}}
    color = _q("ratio", "speed", {**LOG, "scheme": "viridis"}, legend=None)
    # by the cell's own colour, whatever ratios the run has and the filter leaves
    dark = "luminance(scale('color', datum.ratio)) < 0.3 ? 'white' : 'black'"
    rest = {
        "encoding": {"x": x, "y": y},
        "layer": [
            {"mark": "rect", "encoding": {"color": color, "tooltip": tooltip(*SPEED_TIP)}},
            {
                "mark": {"type": "text", "fontSize": 11, "color": {"expr": dark}},
                "encoding": {"text": {"field": "speed"}, "tooltip": tooltip(*SPEED_TIP)},
            },
        ],
    }
    return Chart(
        "heat",
        "Engines and runtimes",
        "The same speeds as numbers: each cell is compared with the reference in its own column, so columns can't be compared"
        " with one another here."
        + " ?: of one round, so it may be chance."
        * any(value["uncertain"] for value in values),
        spec(run, values, rest, ROWS),
    )


def _place_labels(last: list[Spec], values: list[Spec]) -> None:
    """Give each line's last value a ``label``: where its name stands, as near to its end as the other names leave it."""
    from scipy.optimize import isotonic_regression  # here: its import takes longer than most commands

    if not last:
        return
    last.sort(key=lambda value: value["ratio"])
    bounds = np.log([[value["low"] for value in values], [value["high"] for value in values]])
    steps = np.arange(len(last)) * (bounds.max() - bounds.min()) * 13 / VERSIONS_HEIGHT  # a line of text is 13 pixels
    places = isotonic_regression(np.log([value["ratio"] for value in last]) - steps).x + steps
    for value, place in zip(last, places):
        value["label"] = math.exp(place)


def _versions(run: Run) -> Chart:
    _, runtimes = names(run)
    values: list[Spec] = []
    base = next(iter(run.record.runtimes))
    for engine, runtime in run.cells if len(runtimes) > 1 else []:
        ratio = run.speedup(engine, runtime, over=(engine, base))
        if ratio is None:
            continue
        values.append(
            {
                "engine": engine,
                "runtime": label(run, runtime),
                **_uncertain(ratio),
                **({"interval": "the base", "speed": "1", "uncertain": False} if runtime == base else {}),
            }
        )
    x = {"field": "runtime", "type": "ordinal", "sort": runtimes, "title": "runtime", "axis": {"labelAngle": 0}}
    x["scale"] = {"padding": 0.1}
    y = _q(
        "ratio",
        f"times as fast as on {label(run, base)}",
        {**LOG, "nice": False},
        axis={"format": "~g"},
    )
    tip = tooltip(("engine", "engine"), ("runtime", "runtime"), ("speed", "speed"), ("interval", "95 % interval"))
    _place_labels([value for value in values if value["runtime"] == runtimes[-1]], values)
    labelled: Spec = {"transform": [{"filter": "isValid(datum.label)"}]}
    at = {"y": {**y, "field": "label"}}
    ends = [
        labelled
        | {
            "mark": {"type": "point", "filled": True, "size": 45, "opacity": 1, "xOffset": 16},
            "encoding": {**at, **_by_engine(run)},
        },
        labelled
        | {
            "mark": {"type": "text", "align": "left", "dx": 23, "fontSize": 11},
            "encoding": {**at, "text": {"field": "engine"}},
        },
    ]
    band = {
        "mark": {"type": "errorband", "opacity": 0.12},
        "encoding": {"y": {**y, "field": "low"}, "y2": {"field": "high"}, "color": _by_engine(run)["color"]},
    }
    line = {
        "mark": {"type": "line", "point": {"filled": True, "size": 45}, "strokeWidth": 1.8},
        "encoding": {"y": y, **_by_engine(run), "tooltip": tip},
    }
    return Chart(
        "versions",
        "From one Python to the next",
        f"Each engine against itself on {label(run, base)}: a line that rises says that this way of writing gained from newer"
        " versions. The band is the 95 % interval."
        + " There is none here: of one round, all this may be chance."
        * any(value["uncertain"] for value in values),
        spec(run, values, {"encoding": {"x": x}, "layer": [band, line, *ends]}, VERSIONS_HEIGHT),
    )


def _bought(run: Run) -> Chart:
    values, order = [], []
    for engine, about in run.record.engines.items():
        parent = about.parent
        if parent is None or parent not in run.record.engines:
            continue
        step = f"{engine} ← {parent}"
        for runtime in run.record.runtimes:
            ratio = run.speedup(engine, runtime, over=parent)
            if ratio is None:
                continue
            values.append(
                {
                    "engine": engine,
                    "step": step,
                    "change": about.change,
                    "runtime": label(run, runtime),
                    **_uncertain(ratio),
                }
            )
            if step not in order:
                order.append(step)
    _, runtimes = names(run)
    y = {"field": "step", "type": "nominal", "sort": order, "title": None, "axis": {"labelLimit": 260}}
    x = ratio_axis("times as fast as its parent, log scale")
    tip = tooltip(
        ("step", "engine ← parent"),
        ("change", "the one change"),
        ("runtime", "runtime"),
        ("speed", "speed"),
        ("interval", "95 % interval"),
    )
    offset = {"field": "runtime", "type": "nominal", "scale": {"domain": runtimes}}
    rest = {"layer": _intervals(run, x, {"y": y, "yOffset": offset}, tip)}
    rows = {"step": max(3, min(8, 34 // len(runtimes))), "for": "offset"} if len(runtimes) > 1 else ROWS
    return Chart(
        "bought",
        "What each change bought",
        "Each engine is a copy of another one but for one change. Its speed over that parent is what the change bought; left of"
        " the dashed line it cost." + _hollow(values),
        spec(run, values, rest, rows),
    )


def _loss_values(run: Run) -> list[Spec]:
    values = []
    for engine, runtime in run.cells:
        records, truth = run.of((engine, runtime)), run.of((REFERENCE, runtime))
        if not records or not truth or run.status((engine, runtime))[0] not in ("ok", "diverged"):
            continue
        expected, losses = truth[0].losses, max((record.losses for record in records), key=len)
        stride = max(1, len(run.cells) * len(losses) // MOST_POINTS)
        for step, loss in list(enumerate(losses, 1))[::stride]:
            value = float.fromhex(loss)
            if math.isfinite(value) and step <= len(expected):
                values.append(
                    {
                        "engine": engine,
                        "runtime": label(run, runtime),
                        "step": step,
                        "loss": value,
                        "difference": value - float.fromhex(expected[step - 1]),
                    }
                )
    return values


def _curve(run: Run, field: str, title: str, form: str) -> Spec:
    steps = run.record.plan.steps
    ticks = {"tickMinStep": 1} if steps > 10 else {"values": list(range(1, steps + 1))}
    x = _q("step", "training step", {"zero": False, "nice": False}, axis={**ticks, "format": "d"})
    y = _q(field, title, {"zero": False}, axis={"format": form})
    detail = {"field": "runtime", "type": "nominal"}
    tip = [
        *tooltip(("engine", "engine"), ("runtime", "runtime"), ("step", "step")),
        {"field": field, "format": ".17g"},
    ]
    marks = {"mark": {"type": "line", "point": {"size": 30, "filled": True}, "strokeWidth": 1.5, "opacity": 0.75}}
    return {**marks, "encoding": {"x": x, "y": y, "detail": detail, "tooltip": tip, **_by_engine(run)}}


def losses(run: Run) -> Chart:
    """The losses of all cells."""
    return Chart(
        "losses",
        "The losses, all engines over one another",
        "Every engine trains on the same documents from the same seed: what looks like one curve is all of them. No speed counts"
        " without this.",
        spec(run, _loss_values(run), _curve(run, "loss", "loss (nats per token)", "~g"), 260),
    )


def differences(run: Run) -> Chart:
    """The losses less the reference's."""
    return Chart(
        "differences",
        "How far from the reference each loss is",
        "The same losses minus the reference's, on a scale of their own. On the line at 0: equal to the last bit. A few times"
        " 10⁻¹⁶ is the last digit of a double; beyond 10⁻¹² an engine counts as DIVERGED.",
        spec(run, _loss_values(run), _curve(run, "difference", "loss − the reference's (nats)", ".1e"), 260),
    )


def _step_values(run: Run) -> list[Spec]:
    """Times of single steps relative to the cell's median for the same step, so that documents' lengths are not in them."""
    cells = [cell for cell in run.cells if run.ok(cell)]
    total = sum(run.seconds(cell).size for cell in cells)
    stride = max(1, total // MOST_POINTS)
    values = []
    for engine, runtime in cells:
        seconds = run.seconds((engine, runtime))
        relative = seconds / np.median(seconds, axis=0) * 100 - 100
        steps = seconds.shape[1]
        for index, (percent, ms) in list(enumerate(zip(relative.ravel(), seconds.ravel() * 1e3)))[::stride]:
            values.append(
                {
                    "engine": engine,
                    "runtime": label(run, runtime),
                    "turn": index + 1,
                    "round": index // steps + 1,
                    "percent": round(float(percent), 3),
                    "ms": float(f"{ms:.4g}"),
                }
            )
    return values


def _spread(run: Run) -> Chart:
    y = {"field": "engine", "type": "nominal", "sort": _order(run), "title": None, "axis": {"labelLimit": 200}}
    x = _q("percent", "% above the median of the same step", {"zero": False})
    box = {"mark": {"type": "boxplot", "extent": 1.5, "size": 12, "outliers": {"size": 12, "opacity": 0.5}}}
    return Chart(
        "spread",
        "How much single steps vary",
        "Each measured step against the median of the same step in all rounds, on the wall's clock. Half of the steps lie in the"
        " box. This is the noise that pairing takes out of the ratios above.",
        spec(run, _step_values(run), {**box, "encoding": {"x": x, "y": y, "color": _by_engine(run)["color"]}}, ROWS),
    )


def _drift(run: Run) -> Chart:
    x = _q(
        "turn", "turn: steps of all rounds, in the order of time", {"zero": False, "nice": False}, axis={"format": "d"}
    )
    y = _q("percent", "% above the median of the same step", {"zero": False})
    tip = tooltip(("engine", "engine"), ("runtime", "runtime"), ("round", "round"), ("ms", "ms"), ("percent", "%"))
    points = {
        "mark": {"type": "point", "filled": True, "size": 14, "opacity": 0.35},
        "encoding": {"x": x, "y": y, "tooltip": tip, **_by_engine(run)},
    }
    line = {
        "mark": {"type": "line", "strokeWidth": 2},
        "encoding": {"x": x, "y": {**y, "aggregate": "median"}, "color": {"value": "#888"}},
    }
    return Chart(
        "drift",
        "The machine's drift during the run",
        "The same steps in the order in which they were measured; all cells take turns, so a slow moment meets all of them. The"
        " grey line is the median over all cells: how the machine's mood changed.",
        spec(run, _step_values(run), {"layer": [points, line]}, 300),
    )


def sizes(run: Run) -> list[Chart]:
    """Nodes, instructions and memory: bars, a chart each, where the run has them."""
    found: dict[str, list[Spec]] = {"nodes": [], "instructions": [], "memory": [], "allocated": []}
    for engine in names(run)[0]:
        nodes = run.nodes(engine)
        if nodes:
            found["nodes"].append({"engine": engine, "value": nodes, "shown": f"{nodes:,.0f}"})
    for engine, runtime in run.cells:
        common = {"engine": engine, "runtime": label(run, runtime)}
        peak = run.peak_bytes((engine, runtime)) if run.ok((engine, runtime)) else None
        if peak:
            found["memory"].append({**common, "value": peak / 1e6, "shown": f"{peak / 1e6:.0f} MB"})
        counted = run.counters.cells.get(key((engine, runtime))) if run.counters else None
        if counted and counted.instructions:
            text = f"{counted.instructions:,.0f}"
            found["instructions"].append({**common, "value": counted.instructions, "shown": text})
        if counted and counted.peak_bytes:
            text = f"{counted.peak_bytes / 1e3:,.1f} kB"
            found["allocated"].append({**common, "value": counted.peak_bytes / 1e3, "shown": text})
    about = {
        "nodes": ("Graph nodes", "nodes a step", "Mean over the first steps; the same on every runtime."),
        "instructions": (
            "Instructions",
            "instructions a step",
            "Counted under Valgrind: exact, and not all equally long.",
        ),
        "memory": ("Memory of the process", "MB, at its peak", "What the worker's process held at most."),
        "allocated": (
            "Memory of a step",
            "kB above the level before it",
            "The most that was allocated, by tracemalloc.",
        ),
    }
    charts_ = []
    for name, (title, axis, caption) in about.items():
        several = len({value.get("runtime") for value in found[name]}) > 1
        y = {"field": "engine", "type": "nominal", "sort": _order(run), "title": None, "axis": {"labelLimit": 200}}
        tip = tooltip(("engine", "engine"), *([("runtime", "runtime")] if name != "nodes" else []), ("shown", axis))
        x = _q("value", f"{axis}, log scale", LOG, axis={"format": "~s", **DECADES})
        encoding: Spec = {"x": x, "y": y, "tooltip": tip}
        if several:
            encoding |= _by_runtime(run)
        mark = {"type": "point", "filled": True, "size": 50, "opacity": 0.9}
        charts_.append(Chart(name, title, caption, spec(run, found[name], {"mark": mark, "encoding": encoding}, ROWS)))
    return charts_


def picture(run: Run, chart: Chart, width: int) -> Spec:
    """The chart for a file of its own: a fixed width, a title that names the run, a white ground that any page can hold."""
    return {
        **chart.spec,
        "width": width,
        "autosize": {"type": "pad", "contains": "padding"},
        "background": "white",
        "title": {"text": chart.title, "subtitle": f"{run.folder.name}, {run.record.created}", "anchor": "start"},
    }
