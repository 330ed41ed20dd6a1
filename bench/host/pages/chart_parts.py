"""What charts are made of: Vega-Lite specifications, from the same ratios as the tables. Nothing is drawn by hand.

Vega-Lite (Satyanarayan et al. 2017), through vl-convert, because one specification gives the interactive chart of the
report and the picture of the README without a browser.

Each specification has its data inside. Where it says so it listens to the parameters ``engines`` and ``runtimes``, the
names that are to be shown: the report's page sets them. No information is in the colour alone: engines and runtimes
also have shapes, and their names are on an axis or at the end of their line.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

from bench.host.pages.wording import columns, number, span
from bench.host.results.run import Run
from bench.host.stats.paired import Ratio

Spec = dict[str, Any]
# Okabe and Ito's colours, told apart by people who see few colours, then others that show on white and on black
COLOURS = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c564b", "#7f7f7f", "#bcbd22", "#17becf",
    "#9467bd", "#2ca02c", "#d62728", "#e7298a", "#6b6ecf", "#8c6d31", "#637939", "#ad494a", "#3182bd", "#a55194",
]  # fmt: skip
SHAPES = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left"]
LOG = {"type": "log"}
# lines at powers of ten stand out, the others show where between two of them a point is
IS_DECADE = "round(log(datum.value) / LN10 * 1e6) % 1e6 == 0"
DECADES = {"gridOpacity": {"condition": {"test": IS_DECADE, "value": 1}, "value": 0.35}}
ROWS = {"step": 26}
HOLLOW = " A hollow point has no interval, because there are too few rounds: its place may be chance."
MOST_POINTS = 6_000  # of single steps in one chart: more are thinned out


@dataclasses.dataclass(frozen=True)
class Chart:
    """A chart of the report: ``caption`` says in plain words how to read it."""

    name: str
    title: str
    caption: str
    spec: Spec


def names(run: Run) -> tuple[list[str], list[str]]:
    """Engines that were measured anywhere, and runtimes, as charts call them."""
    engines = [e for e in run.record.engines if any(run.ok((e, r)) for r in run.record.runtimes)]
    return engines, columns(list(run.record.runtimes))


def label(run: Run, runtime: str) -> str:
    """A runtime as charts call it."""
    runtimes = list(run.record.runtimes)
    return columns(runtimes)[runtimes.index(runtime)]


def _scale(domain: Sequence[str], values: Sequence[str]) -> Spec:
    return {"domain": list(domain), "range": [values[i % len(values)] for i in range(len(domain))]}


def by_engine(run: Run, legend: Spec | None = None) -> Spec:
    """Colour and shape of each engine."""
    engines, _ = names(run)
    return {
        "color": {"field": "engine", "type": "nominal", "scale": _scale(engines, COLOURS), "legend": legend},
        "shape": {"field": "engine", "type": "nominal", "scale": _scale(engines, SHAPES), "legend": legend},
    }


def by_runtime(run: Run) -> Spec:
    """Colour and shape of each runtime."""
    _, runtimes = names(run)
    fit = f"max(1, floor(width / {36 + 7 * max(map(len, runtimes), default=0)}))"  # beside one another
    legend: Spec | None = {"orient": "top", "title": "runtime", "labelLimit": 0, "columns": {"expr": fit}}
    legend = legend if len(runtimes) > 1 else None
    return {
        "color": {"field": "runtime", "type": "nominal", "scale": _scale(runtimes, COLOURS), "legend": legend},
        "shape": {"field": "runtime", "type": "nominal", "scale": _scale(runtimes, SHAPES), "legend": legend},
    }


def uncertain(ratio: Ratio) -> Spec:
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


def quantitative(field: str, title: str, scale: Spec | None = None, **more: Any) -> Spec:
    """An axis or a colour of numbers."""
    return {"field": field, "type": "quantitative", "title": title, "scale": scale or {}, **more}


def tooltip(*fields: tuple[str, str]) -> list[Spec]:
    """Fields with their titles."""
    return [{"field": field, "title": title} for field, title in fields]


def ratio_axis(title: str) -> Spec:
    """A logarithmic axis of the field ``ratio``."""
    return quantitative(
        "ratio", title, {**LOG, "nice": False, "padding": 8}, axis={"format": "~g", "tickCount": 8, **DECADES}
    )


def points(x: Spec, place: Spec, colours: Spec, tip: list[Spec]) -> list[Spec]:
    """Points with their intervals, along ``x``; hollow and without one where the value is ``uncertain``."""
    layers: list[Spec] = [
        {
            "transform": [{"filter": "!datum.uncertain"}],
            "mark": {"type": "rule", "strokeWidth": 1.5},
            "encoding": {**place, "x": {**x, "field": "low"}, "x2": {"field": "high"}, "color": colours["color"]},
        }
    ]
    for which, filled in (("!datum.uncertain", True), ("datum.uncertain", False)):
        mark = {"type": "point", "filled": filled, "size": 42, "opacity": 1}
        encoding = {**place, "x": x, **colours, "tooltip": tip}
        layers.append({"transform": [{"filter": which}], "mark": mark, "encoding": encoding})
    return layers


def file_name(run: Run, name: str) -> str:
    """The name of a chart's file, without its ending: with the Python where the run has one, so that files say it."""
    runtimes = list(run.record.runtimes)
    alone = len(runtimes) == 1 and not name.endswith(f"-{label(run, runtimes[0])}")
    return re.sub(r"[^\w.+=-]+", "_", f"{name}-{runtimes[0]}" if alone else name)


def pythons(run: Run, chart: Chart) -> list[str]:
    """The runtimes whose values a chart shows, as charts call them: none of what is the same on all, or where its title says it."""
    _, runtimes = names(run)
    values = {value.get("runtime") for value in chart.spec["data"]["values"]}
    shown = [runtime for runtime in runtimes if runtime in values]
    return [] if len(shown) == 1 and chart.title.endswith(f" on {shown[0]}") else shown


def picture(run: Run, chart: Chart, width: int) -> Spec:
    """The chart for a file of its own: a fixed width, a title that names run and Pythons, a white ground that any page can hold."""
    _, runtimes = names(run)
    shown = pythons(run, chart)
    cpython = "CPython " * (runtimes != list(run.record.runtimes))  # their names are versions alone
    about = [run.folder.name, *([f"on {cpython}{span(shown, runtimes)}"] if shown else []), run.record.created]
    return {
        **chart.spec,
        "width": width,
        "autosize": {"type": "pad", "contains": "padding"},
        "background": "white",
        "title": {"text": chart.title, "subtitle": ", ".join(about), "anchor": "start"},
    }
