"""What a breakdown explains, in sentences made of its numbers: why some engines, and one Python, are slower or faster."""

from __future__ import annotations

from bench.host.pages.breakdown_numbers import PHASES, Broken, in_order, missed
from bench.host.pages.rendering import grid
from bench.host.pages.wording import columns, number, ratio_text
from bench.host.results.records import REFERENCE, Cell
from bench.host.results.run import Run

Cells = dict[Cell, Broken]
MOST = 4  # parts that a sentence names
MOVED = (REFERENCE, "fused_dot", "combined")  # engines of which it is said what another Python changes


def answers(run: Run, cells: Cells, runtimes: list[str]) -> list[str]:
    """A heading and a paragraph for each question that the run has the cells for."""
    parts = []
    for heading, of_runtime in (
        ("Why is `iterative` slower than the reference?", _iterative),
        ("Why is `closures` slower?", _closures),
        ("Why is `fused_dot` faster?", _fused_dot),
    ):
        said = [text for name in runtimes if (text := of_runtime(run, cells, name))]
        parts += [f"### {heading}", *said] if said else []
    said = [text for old, new in zip(runtimes, runtimes[1:]) if (text := _versions(run, cells, old, new))]
    return [*parts, "### Why is one Python faster than another?", *said] if said else parts


def _pair(run: Run, cells: Cells, engine: str, name: str) -> tuple[Broken, Broken, str] | None:
    """The reference, the engine, and how many times as fast it is; None where one lacks."""
    if (REFERENCE, name) not in cells or (engine, name) not in cells:
        return None
    ratio = run.speedup(engine, name)
    return None if ratio is None else (cells[REFERENCE, name], cells[engine, name], ratio_text(ratio))


def _on(name: str) -> str:
    return f"**On {columns([name])[0]}**"


def _iterative(run: Run, cells: Cells, name: str) -> str:
    pair = _pair(run, cells, "iterative", name)
    if pair is None:
        return ""
    base, one, speedup = pair
    sorts = [each.by_phase.get("sort", [0.0] * 3) for each in (base, one)]
    groups = _changes({g: base.phases_of(g).get("sort", 0.0) for g in base.by_group},
                      {g: one.phases_of(g).get("sort", 0.0) for g in one.by_group})  # fmt: skip
    phases = _changes(*({PHASES[phase]: counts[0] for phase, counts in each.by_phase.items()} for each in (base, one)))
    return (
        f"{_on(name)} its speedup is {speedup}. {_difference(base, one)} The sort takes {_million(sorts[1][0])} instructions in"
        f" place of {_million(sorts[0][0])}, the rest of the step {_million(one.total[0] - sorts[1][0])} in place of"
        f" {_million(base.total[0] - sorts[0][0])}. In the sort, by what the interpreter does: {groups}. A call of a Python"
        f" function is traded for a tuple and an iterator that are made and freed for each node. By phase: {phases}."
        f" {_sampled(base, one)} The reference's recursive search is a function that refers to itself, which keeps its list of nodes alive until the collector"
        " comes; without it reference counting frees the graph when the step is over."
    )


def _closures(run: Run, cells: Cells, name: str) -> str:
    pair = _pair(run, cells, "closures", name)
    if pair is None:
        return ""
    base, one, speedup = pair
    times = [each.sampled.get("collector", 0.0) * each.seconds * 1e3 for each in (base, one)]
    text = (
        f"{_on(name)} its speedup is {speedup}. {_difference(base, one)} Of the samples {one.sampled.get('collector', 0.0):.0%}"
        f" are in the cyclic garbage collector, {base.sampled.get('collector', 0.0):.0%} of the reference's: about"
        f" {number(times[1])} ms of a step's {number(one.seconds * 1e3)}, and {number(times[0])} of {number(base.seconds * 1e3)}."
    )
    off = [(f"{engine}_gc_off", name) for engine in (REFERENCE, "closures")]
    if all(cell in run.cells and run.ok(cell) for cell in off):
        ratio = run.speedup(off[1][0], name, over=off[0])
        if ratio is not None:
            text += (
                f" With the collector off in both, `closures` has {ratio_text(ratio)} times the reference's speed: that much is"
                " the price of a function and its cells for each node, in place of a tuple of numbers."
            )
    return text + (
        " Only the collector can free its graphs, as each node and its closure refer to each other; so graphs of earlier steps lie"
        " about until it comes, and it walks through all of them, most of them no longer in the caches."
    )


def _fused_dot(run: Run, cells: Cells, name: str) -> str:
    pair = _pair(run, cells, "fused_dot", name)
    if pair is None:
        return ""
    base, one, speedup = pair
    saved = _changes(
        {PHASES[phase]: counts[0] for phase, counts in base.by_phase.items()},
        {PHASES[phase]: counts[0] for phase, counts in one.by_phase.items()},
    )
    nodes = [run.nodes(engine) for engine in (REFERENCE, "fused_dot")]
    of_nodes = "" if None in nodes else f" It makes {nodes[1]:,.0f} nodes a step, the reference {nodes[0]:,.0f}."
    return (
        f"{_on(name)} its speedup is {speedup}.{of_nodes} {_difference(base, one)} By phase: {saved}. Of the instructions that"
        f" the reference spends on calls, on containers, on allocating and freeing, and in the collector, {_left(base, one)} are"
        f" left; of the interpreter's loop, in which the multiplications are, {_left(base, one, 'interpreter loop')}."
    )


def _left(base: Broken, one: Broken, *kinds: str) -> str:
    kinds = kinds or ("calls", "collector", "allocating and freeing", "containers")
    sums = [sum(each.by_group.get(kind, [0.0])[0] for kind in kinds) for each in (base, one)]
    return f"{sums[1] / sums[0]:.0%}" if sums[0] else "none"


def _versions(run: Run, cells: Cells, old: str, new: str) -> str:
    both = [engine for engine, name in cells if name == new and (engine, old) in cells]
    rows = []
    for engine in both:
        ratio, before, after = run.speedup(engine, new, over=(engine, old)), cells[engine, old], cells[engine, new]
        if ratio is not None:
            changes = [after.total[i] / before.total[i] - 1 for i in range(3)]
            cost = before.cost() / after.cost()
            rows.append([engine, ratio_text(ratio), f"{cost:.2f}", *(f"{change:+.1%}" for change in changes)])
    heads = ["engine", "times as fast", "by the cost", "instructions", "misses, first level", "second level"]
    versions = columns([old, new])
    title = f"**{versions[1]} over {versions[0]}**, both as they come from their packager:"
    return "\n\n".join(
        [title, grid(heads, rows, "github"), *(_moved(cells, engine, old, new) for engine in MOVED if engine in both)]
    )


def _moved(cells: Cells, engine: str, old: str, new: str) -> str:
    before, after = cells[engine, old], cells[engine, new]
    counted = _changes(*({group: counts[0] for group, counts in each.by_group.items()} for each in (before, after)))
    return f"`{engine}`, instructions by group: {counted}. {_sampled(before, after)}"


def _sampled(before: Broken, after: Broken) -> str:
    """Where time went, and where it goes."""
    times = ({group: share * each.seconds * 1e3 for group, share in each.sampled.items()} for each in (before, after))
    return f"Time by group, from samples: {_changes(*times, per=1.0, what='ms')}."


def _difference(base: Broken, one: Broken) -> str:
    """How instructions, misses and the cost compare."""
    ratios = [one.total[i] / base.total[i] for i in range(3)]
    return (
        f"A step takes {ratios[0]:.2f} times the reference's instructions, misses the first level {ratios[1]:.2f} times as often, the"
        f" second {ratios[2]:.2f} times. Its cost as counted is {one.cost() / base.cost():.2f} times the reference's, of which misses"
        f" are {missed(one.total) / one.cost():.0%} ({missed(base.total) / base.cost():.0%} of the reference's)."
    )


def _changes(before: dict[str, float], after: dict[str, float], *, per: float = 1e6, what: str = "million") -> str:
    """The largest changes, as "name 12 → 34"."""
    names = in_order({*before, *after}) or [*before]
    moved = sorted(names, key=lambda name: -abs(after.get(name, 0.0) - before.get(name, 0.0)))[:MOST]
    return (
        ", ".join(
            f"{name} {_amount(before.get(name, 0.0) / per)} → {_amount(after.get(name, 0.0) / per)}" for name in moved
        )
        + f" {what}"
    )


def _amount(value: float) -> str:
    return number(value) if value >= 0.01 else "0"


def _million(count: float) -> str:
    return f"{count / 1e6:,.1f} million"
