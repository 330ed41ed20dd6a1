"""The table across a run's runtimes, versions or builds of Python, and what follows from it, in sentences made of its numbers."""

from __future__ import annotations

from collections.abc import Callable

from bench.host.pages import machine_tables
from bench.host.pages.machine_tables import speedup_text
from bench.host.pages.wording import SHORT, columns, decimals, ratio_text
from bench.host.results import builds
from bench.host.results.build_costs import Cost, cost, nearest
from bench.host.results.records import key
from bench.host.results.run import Run
from bench.host.results.table import NOTHING, Table

MANY = 8  # runtimes: more than these have a row each, and the engines the columns
MEAN = "geometric mean"
NAMED = 2  # pairs of engines that a sentence names
SMALL = 1.03  # a mean whose interval is within this of 1 is no reason to choose one of the two
INSTRUCTIONS = "instructions: those on {} over those on the runtime, by Valgrind, {}: above 1 are fewer."
MEMORY = "memory: the same of the process's peak memory: above 1 is less."


def table(run: Run, base: str) -> Table:
    """Each engine over itself on the base, the geometric mean, instructions and memory; below, what to learn of each runtime."""
    runtimes = list(run.record.runtimes)
    costs = {name: cost(run, name, base) for name in runtimes if name != base}
    rows = []
    for engine in run.record.engines:
        row = [engine, *(_cell(run, engine, name, base) for name in runtimes)]
        if any(cell != NOTHING for cell in row[1:]):
            rows.append(row)
    rows.append([MEAN, *(_of(costs, name, lambda one: ratio_text(one.mean, short=True)) for name in runtimes)])
    above = [f"Time on {base} over time on the runtime, paired step by step: above 1 is faster.", SHORT]
    if any(one and one.instructions for one in costs.values()):
        rows.append(["instructions", *(_of(costs, name, lambda one: _plain(one.instructions)) for name in runtimes)])
        above.append(INSTRUCTIONS.format(base, _counted(run)))
    if any(one and one.memory for one in costs.values()):
        rows.append(["memory", *(_of(costs, name, lambda one: _plain(one.memory)) for name in runtimes)])
        above.append(MEMORY)
    described = {name: about.described for name, about in run.record.runtimes.items()}
    unlike = [name for name in runtimes if builds.differences(described[base], described[name])]
    heads = [f"{head}{'*' * (name in unlike)}" for head, name in zip(columns(runtimes), runtimes)]
    lines = [
        *machine_tables.below(run, rows),
        *(f"* {line}" for line in builds.lines(base, run.record.runtimes, unlike)),
        *lessons(run, base),
    ]
    headers = ["engine", *heads]
    if len(runtimes) > MANY:
        headers, *rows = [list(column) for column in zip(headers, *rows)]
        headers[0] = "runtime"
    return Table(f"Speedup over the same engine on {base}", above, headers, rows, lines)


def lessons(run: Run, base: str) -> list[str]:
    """A line for each runtime but the base: by how much it differs from the one that is nearest to it, and what to learn."""
    lines = []
    for name in run.record.runtimes:
        if name != base and (one := cost(run, name, nearest(run, name, base))) is not None and one.mean.low is not None:
            lines.append(f"{name}: {' '.join(learned(one))}")
    return lines


def learned(one: Cost) -> list[str]:
    """Two sentences, and one on instructions where they were counted: they follow from the intervals alone."""
    what = f"{', '.join(one.different)}: " if one.different else ""
    least, most = one.speedups[one.least], one.speedups[one.most]
    said = f"{what}{ratio_text(one.mean)} times as fast as {one.over}, all engines together"
    if len(one.speedups) > 1:
        said += f"; from {ratio_text(least, short=True)} ({one.least}) to {ratio_text(most, short=True)} ({one.most})"
    return [f"{said}.", *_meaning(one), *_by_instructions(one)]


def _meaning(one: Cost) -> list[str]:
    low, high = one.mean.low, one.mean.high
    assert low is not None and high is not None
    order = "; ".join(
        f"{first} is faster than {second} here, and slower there" for first, second in one.swapped[:NAMED]
    )
    if one.depends:
        least, most = one.speedups[one.least], one.speedups[one.most]
        text = f"What it does depends on the style: against {one.least} it moves {one.most} by {most.value / least.value - 1:.0%}"
        return [f"{text}; {order}." if order else f"{text}, and no two engines change places."]
    bound = max(high, 1 / low)
    if bound < SMALL:
        apart = [engine for engine, ratio in one.speedups.items() if ratio.separable]
        return [
            f"Hardly a difference: all together it is within {100 * (bound - 1):.1f} %"
            + (
                f", and told apart from 1 for {', '.join(apart)} only."
                if apart
                else ", and no engine is told apart from 1."
            )
        ]
    if one.mean.separable:
        does = "gain" if one.mean.value > 1 else "lose"
        return [f"All styles {does} about alike, so what is compared on one of the two holds on the other."]
    return [f"Too noisy to tell: all together it is between {low:.2f} and {high:.2f}."]


def _by_instructions(one: Cost) -> list[str]:
    if one.instructions is None or one.as_counted is None or not one.as_counted.low or not one.as_counted.high:
        return []
    count, time = 1 / one.instructions, 1 / one.as_counted.value
    dearer, least, most = (
        one.instructions / ratio for ratio in (one.as_counted.value, one.as_counted.high, one.as_counted.low)
    )
    if least <= 1 <= most:
        why = "which leaves open whether an instruction takes more time or less"
    else:
        why = f"an instruction takes {abs(dearer - 1):.0%} {'more' if dearer > 1 else 'less'} time"
    return [f"Instructions {count - 1:+.0%}, time of the same engines {time - 1:+.0%}: {why}."]


def _counted(run: Run) -> str:
    """Of which engines instructions were counted, in words."""
    cells = {name for name, one in (run.counters.cells if run.counters else {}).items() if one.instructions}
    engines = run.record.engines
    names = [engine for engine in engines if any(key((engine, runtime)) in cells for runtime in run.record.runtimes)]
    if len(names) == 1:
        return f"of {names[0]}"
    return "geometric mean" if len(names) == len(engines) else f"geometric mean of {', '.join(names)}"


def _cell(run: Run, engine: str, runtime: str, base: str) -> str:
    status, _ = run.status((engine, runtime))
    if status not in ("ok", "skipped") and not run.gated:
        return "DIVERGED" if status == "diverged" else "failed"
    text = speedup_text(run, engine, runtime, (engine, base), short=True)
    return "1" if runtime == base and text != NOTHING else text


def _of(costs: dict[str, Cost | None], name: str, text: Callable[[Cost], str]) -> str:
    if name not in costs:
        return "1"
    one = costs[name]
    return NOTHING if one is None else text(one)


def _plain(ratio: float | None) -> str:
    return NOTHING if ratio is None else f"{ratio:.{decimals(ratio)}f}"
