"""The pictures of a breakdown: for each Python a stack of groups and one of phases, a row each engine."""

from __future__ import annotations

from bench.host.pages.breakdown_numbers import MISSES, PHASES, Broken, broken, in_order, missed
from bench.host.pages.chart_parts import COLOURS, Chart, Spec, label, quantitative, spec, tooltip
from bench.host.results import breakdown
from bench.host.results.records import REFERENCE, Cell
from bench.host.results.run import Run


def breakdowns(run: Run) -> list[Chart]:
    """Those of each runtime that was broken down; none for a run that was not."""
    cells = broken(run, breakdown.kept(run))
    charts = []
    for runtime in run.record.runtimes:
        of_it = {cell: one for cell, one in cells.items() if cell[1] == runtime}
        if (REFERENCE, runtime) in of_it:
            charts += [_groups(run, runtime, of_it), _shares(run, runtime, of_it), _phases(run, runtime, of_it)]
    return charts


def names(run: Run, runtime: str) -> list[str]:
    """The names of a runtime's pictures, in this order: groups, shares, phases."""
    return [f"breakdown-{what}-{label(run, runtime)}" for what in ("groups", "shares", "phases")]


def _values(run: Run, cells: dict[Cell, Broken], shares: bool) -> list[Spec]:
    """Of each engine two rows, counted and sampled; as ``shares``, or so long as its time is, the reference's being 1."""
    base = next(one for cell, one in cells.items() if cell[0] == REFERENCE)
    values = []
    for (engine, runtime), one in cells.items():
        common = {"engine": engine, "runtime": label(run, runtime)}
        whole = 1.0 if shares else one.cost() / base.cost()
        parts = {group: counts[0] / one.cost() for group, counts in one.by_group.items()}
        parts[MISSES] = missed(one.total) / one.cost()
        for what, length, stack in (
            ("counted", whole, parts),
            ("sampled", 1.0 if shares else one.seconds / base.seconds, one.sampled),
        ):
            for group, share in stack.items():
                row = {"row": f"{engine}, {what}", "part": group, "share": f"{share:.1%}", "length": share * length}
                values.append({**common, **row})
    return values


def _stack(run: Run, values: list[Spec], parts: list[str], title: str) -> Spec:
    rows = list(dict.fromkeys(value["row"] for value in values))
    order = {part: i for i, part in enumerate(parts)}
    for value in values:
        value["order"] = order[value["part"]]
    scale = {"domain": parts, "range": [COLOURS[i % len(COLOURS)] for i in range(len(parts))]}
    legend = {"orient": "top", "title": None, "columns": 4, "labelLimit": 0}
    encoding = {
        "y": {"field": "row", "type": "nominal", "sort": rows, "title": None, "axis": {"labelLimit": 240}},
        "x": quantitative("length", title, stack="zero"),
        "color": {"field": "part", "type": "nominal", "scale": scale, "legend": legend},
        "order": {"field": "order", "type": "quantitative"},
        "tooltip": tooltip(("row", "row"), ("part", "part"), ("share", "share")),
    }
    return spec(run, values, {"mark": {"type": "bar", "height": {"band": 0.85}}, "encoding": encoding}, {"step": 17})


def _present(values: list[Spec]) -> list[str]:
    return [*in_order(value["part"] for value in values), MISSES]


HOW = (
    " counted: instructions by what the interpreter does, and apart from them what its cache misses are worth; sampled: where"
    " perf saw the process, with each group's misses in the group."
)


def _groups(run: Run, runtime: str, cells: dict[Cell, Broken]) -> Chart:
    values = _values(run, cells, shares=False)
    title = "counted: cost, sampled: time; those of the reference are 1"
    return Chart(
        names(run, runtime)[0],
        f"What the interpreter does in a step, on {label(run, runtime)}",
        "Two rows an engine, as long as its step, the reference's being 1." + HOW,
        _stack(run, values, _present(values), title),
    )


def _shares(run: Run, runtime: str, cells: dict[Cell, Broken]) -> Chart:
    values = _values(run, cells, shares=True)
    return Chart(
        names(run, runtime)[1],
        f"What the interpreter does, as shares of a step, on {label(run, runtime)}",
        "The same with all rows of one length." + HOW,
        _stack(run, values, _present(values), "share of a step"),
    )


def _phases(run: Run, runtime: str, cells: dict[Cell, Broken]) -> Chart:
    base = next(one for cell, one in cells.items() if cell[0] == REFERENCE)
    values = [
        {
            "engine": engine,
            "runtime": label(run, runtime),
            "row": engine,
            "part": PHASES[phase],
            "share": f"{one.cost(counts) / one.cost():.1%}",
            "length": one.cost(counts) / base.cost(),
        }
        for (engine, _), one in cells.items()
        for phase, counts in one.by_phase.items()
    ]
    return Chart(
        names(run, runtime)[2],
        f"The phases of a step, on {label(run, runtime)}",
        "A row an engine: the counted cost of each phase, that of the reference's whole step being 1. The collector works in"
        " whichever phase makes objects.",
        _stack(run, values, list(PHASES.values()), "cost; that of the reference is 1"),
    )
