"""Charts of single steps: how much they vary, and how the machine drifted meanwhile."""

from __future__ import annotations

import numpy as np

from bench.host.pages.chart_parts import (
    MOST_POINTS,
    ROWS,
    Chart,
    Spec,
    by_engine,
    label,
    quantitative,
    spec,
    tooltip,
)
from bench.host.pages.speedup_charts import engine_axis
from bench.host.results.run import Run


def spread(run: Run) -> Chart:
    """How much the steps of each engine vary."""
    y = engine_axis(run)
    x = quantitative("percent", "% above the median of the same step", {"zero": False})
    box = {"mark": {"type": "boxplot", "extent": 1.5, "size": 12, "outliers": {"size": 12, "opacity": 0.5}}}
    return Chart(
        "spread",
        "How much single steps vary",
        "Wall time of each step compared with the median of the same step in all rounds. Half of the steps are in the box."
        " Pairing removes this noise from the ratios above.",
        spec(run, _step_values(run), {**box, "encoding": {"x": x, "y": y, "color": by_engine(run)["color"]}}, ROWS),
    )


def drift(run: Run) -> Chart:
    """The steps in the order of time."""
    x = quantitative(
        "turn", "turn: steps of all rounds, in the order of time", {"zero": False, "nice": False}, axis={"format": "d"}
    )
    y = quantitative("percent", "% above the median of the same step", {"zero": False})
    tip = tooltip(("engine", "engine"), ("runtime", "runtime"), ("round", "round"), ("ms", "ms"), ("percent", "%"))
    points = {
        "mark": {"type": "point", "filled": True, "size": 14, "opacity": 0.35},
        "encoding": {"x": x, "y": y, "tooltip": tip, **by_engine(run)},
    }
    line = {
        "mark": {"type": "line", "strokeWidth": 2},
        "encoding": {"x": x, "y": {**y, "aggregate": "median"}, "color": {"value": "#888"}},
    }
    return Chart(
        "drift",
        "The machine's drift during the run",
        "The same steps in the order of measurement. All cells take turns, so a slow moment affects all of them. The grey line"
        " is the median of all cells: the drift of the machine.",
        spec(run, _step_values(run), {"layer": [points, line]}, 300),
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
