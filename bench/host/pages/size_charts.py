"""Charts of nodes, instructions and memory."""

from __future__ import annotations

from bench.host.pages.chart_parts import (
    DECADES,
    LOG,
    ROWS,
    Chart,
    Spec,
    by_runtime,
    label,
    names,
    quantitative,
    spec,
    tooltip,
)
from bench.host.pages.speedup_charts import engine_axis
from bench.host.results.records import key
from bench.host.results.run import Run


def sizes(run: Run) -> list[Chart]:
    """Nodes, instructions and memory: bars, a chart each, where the run has them."""
    bars: dict[str, list[Spec]] = {"nodes": [], "instructions": [], "memory": [], "allocated": []}
    for engine in names(run)[0]:
        nodes = run.nodes(engine)
        if nodes:
            bars["nodes"].append({"engine": engine, "value": nodes, "shown": f"{nodes:,.0f}"})
    for engine, runtime in run.cells:
        common = {"engine": engine, "runtime": label(run, runtime)}
        peak = run.peak_bytes((engine, runtime)) if run.ok((engine, runtime)) else None
        if peak:
            bars["memory"].append({**common, "value": peak / 1e6, "shown": f"{peak / 1e6:.0f} MB"})
        counted = run.counters.cells.get(key((engine, runtime))) if run.counters else None
        if counted and counted.instructions:
            text = f"{counted.instructions:,.0f}"
            bars["instructions"].append({**common, "value": counted.instructions, "shown": text})
        if counted and counted.peak_bytes:
            text = f"{counted.peak_bytes / 1e3:,.1f} kB"
            bars["allocated"].append({**common, "value": counted.peak_bytes / 1e3, "shown": text})
    about = {
        "nodes": ("Graph nodes", "nodes per step", "Mean over the first steps; the same on every runtime."),
        "instructions": (
            "Instructions",
            "instructions per step",
            "Counted under Valgrind. Exact, but instructions take different times.",
        ),
        "memory": ("Memory of the process", "peak memory in MB", "Peak resident memory of the worker process."),
        "allocated": (
            "Memory of a step",
            "kB above the level before it",
            "Peak allocation within a step, by tracemalloc.",
        ),
    }
    charts_ = []
    for name, (title, axis, caption) in about.items():
        several = len({value.get("runtime") for value in bars[name]}) > 1
        y = engine_axis(run)
        tip = tooltip(("engine", "engine"), *([("runtime", "runtime")] if name != "nodes" else []), ("shown", axis))
        x = quantitative("value", f"{axis}, log scale", LOG, axis={"format": "~s", **DECADES})
        encoding: Spec = {"x": x, "y": y, "tooltip": tip}
        if several:
            encoding |= by_runtime(run)
        mark = {"type": "point", "filled": True, "size": 50, "opacity": 0.9}
        charts_.append(Chart(name, title, caption, spec(run, bars[name], {"mark": mark, "encoding": encoding}, ROWS)))
    return charts_
