"""The plot of a history: a panel for each ratio, with the places where it changed."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import Any

from bench.host.pages import chart_parts
from bench.host.pages.history import FollowedRatio, before_and_after, series
from bench.host.pages.wording import number, ratio_text
from bench.host.results.run import Run
from bench.host.stats.change_points import change_points
from bench.host.system.errors import UsageError, needs_extra
from bench.workload.model_file import write_atomically

SUFFIXES = (".svg", ".png", ".html")


def plot(runs: Sequence[Run], wanted: Sequence[FollowedRatio], path: pathlib.Path) -> None:
    """The ratios over the runs as SVG, PNG or HTML, by the file's suffix. Raises UsageError."""
    values: list[dict[str, Any]] = []
    marks: list[dict[str, Any]] = []
    for ratio in wanted:
        for serial, points in enumerate(series(runs, ratio), 1):
            changed = change_points([point.ratio for point in points])
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
                    before, after = before_and_after(points, changed, index)
                    marks.append({**value, "label": f"{number(before)} → {number(after)}"})
    if not values:
        raise UsageError(f"no run has {', '.join(map(str, wanted))}: nothing to plot")
    draw(_spec(values, marks), path)


def draw(spec: dict[str, Any], path: pathlib.Path) -> None:
    """A Vega-Lite specification as SVG, PNG or HTML, by the file's suffix. Raises UsageError where the library is missing."""
    try:
        import vl_convert
    except ImportError:
        raise needs_extra("plots", "vl-convert") from None
    if path.suffix == ".html":
        write_atomically(path, vl_convert.vegalite_to_html(spec, bundle=True))
    elif path.suffix == ".png":
        write_atomically(path, vl_convert.vegalite_to_png(spec, scale=2))
    else:
        write_atomically(path, vl_convert.vegalite_to_svg(spec))


def check_plot(path: pathlib.Path) -> None:
    """Raises UsageError for a file that is none of the kinds that can be made."""
    if path.suffix not in SUFFIXES:
        raise UsageError(f"{path} has an unknown picture format: end the name with {', '.join(SUFFIXES)}")


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
        y = {"field": "ratio", "type": "quantitative", "title": f"speedup: {ratio}", "scale": scale, "axis": axis}
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
            "subtitle": "Log scales. Bars: 95 % intervals. Dashed lines: changes of the ratio. Lines join runs of the same machine, build and workload.",
            "anchor": "start",
        },
        "resolve": {"scale": {"x": "shared"}},
        "vconcat": [panel(ratio) for ratio in dict.fromkeys(value["what"] for value in values)],
    }
