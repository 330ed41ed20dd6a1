"""The chart of builds: each engine over itself on the first runtime, where runtimes are builds of one version of Python."""

from __future__ import annotations

from bench.host.pages.chart_parts import (
    HOLLOW,
    Chart,
    Spec,
    by_engine,
    label,
    names,
    points,
    ratio_axis,
    spec,
    tooltip,
    uncertain,
)
from bench.host.results.run import Run

TOGETHER = "geometric mean"
GREY = "#7a7a7a"  # told from white and from black
TIP = tooltip(("runtime", "runtime"), ("engine", "engine"), ("speed", "speedup"), ("interval", "95 % interval"))


def has_builds(run: Run) -> bool:
    """Whether some runtimes differ in something else than the version, so that a line from one to the next says nothing."""
    versions = [about.described["python"] for about in run.record.runtimes.values()]
    return len(set(versions)) < len(versions)


def builds(run: Run) -> Chart:
    """Each engine over itself on the first runtime, a row for each other runtime, and all of them together."""
    base, *others = run.record.runtimes
    values: list[Spec] = []
    means: list[Spec] = []
    for runtime in others:
        row = {"runtime": label(run, runtime)}
        for engine in run.record.engines:
            if (ratio := run.speedup(engine, runtime, over=(engine, base))) is not None:
                values.append({"engine": engine, **row, **uncertain(ratio)})
        if (mean := run.mean_speedup(runtime, base)) is not None:
            means.append({"engine": TOGETHER, **row, **uncertain(mean)})
    engines, runtimes = names(run)
    y: Spec = {"field": "runtime", "type": "nominal", "sort": runtimes, "title": None, "axis": {"labelLimit": 260}}
    offset = {"field": "engine", "type": "nominal", "scale": {"domain": [TOGETHER, *engines]}}
    x = ratio_axis(f"times as fast as on {label(run, base)}, log scale")
    legend: Spec = {"orient": "top", "title": "engine", "columns": {"expr": "max(1, floor(width / 150))"}}
    layers: list[Spec] = [
        {
            "data": {"values": [{"ratio": 1}]},
            "mark": {"type": "rule", "strokeDash": [4, 4], "opacity": 0.7},
            "encoding": {"x": {"field": "ratio", "type": "quantitative"}},
        },
        {
            "data": {"values": means},
            "transform": [{"filter": "indexof(runtimes, datum.runtime) >= 0"}],
            "mark": {"type": "point", "filled": True, "size": 90, "shape": "diamond", "color": GREY, "opacity": 1},
            "encoding": {"y": y, "yOffset": offset, "x": x, "tooltip": TIP},
        },
        *points(x, {"y": y, "yOffset": offset}, by_engine(run, legend), TIP),
    ]
    return Chart(
        "builds",
        "From one build of Python to another",
        f"Each engine against itself on {label(run, base)}; right of the dashed line is faster. The bar is the 95 % interval, the"
        " grey diamond the geometric mean. Points far apart in one row: that build is good for some ways of writing only."
        + HOLLOW
        * any(value["uncertain"] for value in values),
        spec(run, values, {"layer": layers}, {"step": 5, "for": "offset"}),
    )
