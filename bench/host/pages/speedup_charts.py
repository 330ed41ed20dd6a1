"""Charts of ratios: over the reference, over the same engine on another runtime, over an engine's parent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.host.pages.chart_parts import (
    HOLLOW,
    LOG,
    ROWS,
    Chart,
    Spec,
    by_engine,
    by_runtime,
    label,
    names,
    points,
    quantitative,
    ratio_axis,
    spec,
    tooltip,
    uncertain,
)
from bench.host.pages.wording import number
from bench.host.results.bases import OVER_REFERENCE, Base
from bench.host.results.parity import parity_text
from bench.host.results.records import REFERENCE
from bench.host.results.run import Run
from bench.host.stats.paired import typical

SPEEDUP_TIP = (
    ("engine", "engine"),
    ("runtime", "runtime"),
    ("speed", "speedup"),
    ("interval", "95 % interval"),
    ("ms", "ms/step"),
    ("parity", "parity"),
)
VERSIONS_HEIGHT = 420  # pixels


def speedup_values(run: Run, base: Base = OVER_REFERENCE) -> list[Spec]:
    """A value for each cell that has a ratio over the reference, or over another base."""
    values = []
    for engine, runtime in run.cells:
        over = base.of(run, engine, runtime)
        ratio = None if over is None or over == (engine, runtime) else run.speedup(engine, runtime, over)
        if ratio is None:
            continue
        finding = run.finding((engine, runtime))
        values.append(
            {
                "engine": engine,
                "runtime": label(run, runtime),
                **uncertain(ratio),
                "ms": number(typical(run.seconds((engine, runtime))) * 1e3),
                "parity": "" if finding is None else parity_text(finding),
            }
        )
    return values


def engines_by_speedup(run: Run) -> list[str]:
    """Engines, fastest first, by the geometric mean over runtimes: for axes."""
    logs: dict[str, list[float]] = {}
    for value in speedup_values(run):
        logs.setdefault(value["engine"], []).append(math.log(value["ratio"]))
    if logs:
        logs[REFERENCE] = [0.0]
    measured = sorted(logs, key=lambda engine: -float(np.mean(logs[engine])))
    return measured + [engine for engine in names(run)[0] if engine not in logs]


def _intervals(run: Run, x: Spec, place: Spec, tip: list[Spec]) -> list[Spec]:
    """Points with their intervals, and a dashed line at 1."""
    return [
        {
            "data": {"values": [{"ratio": 1}]},
            "mark": {"type": "rule", "strokeDash": [4, 4], "opacity": 0.7},
            "encoding": {"x": {"field": "ratio", "type": "quantitative"}},
        },
        *points(x, place, by_runtime(run), tip),
    ]


def _hollow(values: list[Spec]) -> str:
    return HOLLOW if any(value["uncertain"] for value in values) else ""


def engine_axis(run: Run) -> Spec:
    """A row for each engine, the fastest first."""
    sort = engines_by_speedup(run)
    return {"field": "engine", "type": "nominal", "sort": sort, "title": None, "axis": {"labelLimit": 200}}


def _side_by_side(runtimes: Sequence[str]) -> tuple[Spec, Any]:
    """The offset of each runtime within an engine's row, and the rows' height."""
    offset = {"field": "runtime", "type": "nominal", "scale": {"domain": list(runtimes)}}
    return offset, {"step": max(3, min(8, 34 // len(runtimes))), "for": "offset"} if len(runtimes) > 1 else ROWS


def speedups(run: Run, base: Base = OVER_REFERENCE) -> Chart:
    """Each engine over the reference, or over another base, on each runtime."""
    values, (_, runtimes) = speedup_values(run, base), names(run)
    y = engine_axis(run)
    offset, rows = _side_by_side(runtimes)
    x = ratio_axis(f"times as fast as {base.text}, log scale")
    rest = {"layer": _intervals(run, x, {"y": y, "yOffset": offset}, tooltip(*SPEEDUP_TIP))}
    return Chart(
        "speed",
        "Speedup of each engine" + ("" if base == OVER_REFERENCE else f" over {base.text}"),
        f"Time of {base.text} over time of the engine{'' if base.runtime else ' on the same runtime'}, paired step by step."
        " Right of the dashed line is faster. The bar is the 95 % interval; if you see none, it is narrower than the point."
        + _hollow(values),
        spec(run, values, rest, rows),
    )


def heatmap(run: Run, base: Base = OVER_REFERENCE) -> Chart:
    """The same ratios as numbers, engines by runtimes."""
    values = speedup_values(run, base)
    order, (_, runtimes) = engines_by_speedup(run), names(run)
    x: Spec = {"field": "runtime", "type": "nominal", "sort": runtimes, "title": None}
    x["axis"] = {"orient": "top", "labelAngle": 0}
    y = {"field": "engine", "type": "nominal", "sort": order, "title": None, "axis": {"labelLimit": 200}}
    color = quantitative("ratio", "speedup", {**LOG, "scheme": "viridis"}, legend=None)
    # by the cell's own colour, whatever ratios the run has and the filter leaves
    dark = "luminance(scale('color', datum.ratio)) < 0.3 ? 'white' : 'black'"
    rest = {
        "encoding": {"x": x, "y": y},
        "layer": [
            {"mark": "rect", "encoding": {"color": color, "tooltip": tooltip(*SPEEDUP_TIP)}},
            {
                "mark": {"type": "text", "fontSize": 11, "color": {"expr": dark}},
                "encoding": {"text": {"field": "speed"}, "tooltip": tooltip(*SPEEDUP_TIP)},
            },
        ],
    }
    return Chart(
        "heat",
        "Engines and runtimes",
        "The same speedups as numbers."
        + (
            f" Each cell is compared with {base.text}, whatever its column."
            if base.runtime
            else f" Each cell is compared with {base.text} in its column, so do not compare one column with another."
        )
        + " ?: of one round, so it may be chance." * any(value["uncertain"] for value in values),
        spec(run, values, rest, ROWS),
    )


def versions(run: Run) -> Chart:
    """Each engine over itself on the first runtime."""
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
                **uncertain(ratio),
                **({"interval": "the base", "speed": "1", "uncertain": False} if runtime == base else {}),
            }
        )
    x = {"field": "runtime", "type": "ordinal", "sort": runtimes, "title": "runtime", "axis": {"labelAngle": 0}}
    x["scale"] = {"padding": 0.1}
    y = quantitative(
        "ratio",
        f"times as fast as on {label(run, base)}",
        {**LOG, "nice": False},
        axis={"format": "~g"},
    )
    tip = tooltip(("engine", "engine"), ("runtime", "runtime"), ("speed", "speedup"), ("interval", "95 % interval"))
    _place_labels([value for value in values if value["runtime"] == runtimes[-1]], values)
    labelled: Spec = {"transform": [{"filter": "isValid(datum.label)"}]}
    at = {"y": {**y, "field": "label"}}
    ends = [
        labelled
        | {
            "mark": {"type": "point", "filled": True, "size": 45, "opacity": 1, "xOffset": 16},
            "encoding": {**at, **by_engine(run)},
        },
        labelled
        | {
            "mark": {"type": "text", "align": "left", "dx": 23, "fontSize": 11},
            "encoding": {**at, "text": {"field": "engine"}},
        },
    ]
    band = {
        "mark": {"type": "errorband", "opacity": 0.12},
        "encoding": {"y": {**y, "field": "low"}, "y2": {"field": "high"}, "color": by_engine(run)["color"]},
    }
    line = {
        "mark": {"type": "line", "point": {"filled": True, "size": 45}, "strokeWidth": 1.8},
        "encoding": {"y": y, **by_engine(run), "tooltip": tip},
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


def bought(run: Run) -> Chart:
    """Each engine over its parent."""
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
                    **uncertain(ratio),
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
        ("speed", "speedup"),
        ("interval", "95 % interval"),
    )
    offset, rows = _side_by_side(runtimes)
    rest = {"layer": _intervals(run, x, {"y": y, "yOffset": offset}, tip)}
    return Chart(
        "bought",
        "Speedup of each change",
        "Each engine is a copy of its parent with one change. The ratio is its speedup over that parent; left of the"
        " dashed line the change made it slower." + _hollow(values),
        spec(run, values, rest, rows),
    )
