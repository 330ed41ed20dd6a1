"""The page of where a step's time goes: pictures, what explains the speedups, and the numbers behind both."""

from __future__ import annotations

from bench.host.pages import breakdown_answers, breakdown_charts, rendering, wording
from bench.host.pages.breakdown_numbers import PHASES, Broken, broken, in_order
from bench.host.pages.symbols import UNMAPPED, groups
from bench.host.pages.wording import number, ratio_text
from bench.host.results.breakdown import CACHES, BreakdownRecord
from bench.host.results.records import REFERENCE, Cell
from bench.host.results.run import Run
from bench.host.results.table import NOTHING, Table
from bench.host.system.errors import UsageError

TOP = 14  # functions of a table
Cells = dict[Cell, Broken]


def page(run: Run, record: BreakdownRecord) -> str:
    """results/RUN.md. Raises UsageError where nothing is broken down."""
    cells = broken(run, record)
    runtimes = [name for name in run.record.runtimes if (REFERENCE, name) in cells]
    if not runtimes:
        raise UsageError(f"{run.folder} has no breakdown of the reference, which the others are compared with")
    folder = run.folder.name
    parts = [
        "# Where a step's time goes",
        f"Made by `microgpt-bench breakdown {folder}` from the run [`{folder}`]({folder}/tables.md), whose times are paired in"
        f" lockstep and whose losses agree. {_method(run, record)}",
        "\n".join(f"{line}<br>" for line in wording.preamble(run)),
        *breakdown_answers.answers(run, cells, runtimes),
        *_pictures(run, runtimes),
        rendering.render_table(_meaning(), "github", left=True),
    ]
    for name in runtimes:
        here = {cell: one for cell, one in cells.items() if cell[1] == name}
        parts += [rendering.render_table(table(run, name, here), "github") for table in (_counts, _groups, _phases)]
        parts.append(rendering.render_table(_functions(name, here), "github"))
    parts.append(rendering.render_table(_ablations(run, cells), "github"))
    parts += [rendering.render_table(table, "github") for table in [_failed(record)] if table.rows]
    return "\n\n".join(parts) + "\n"


def _method(run: Run, record: BreakdownRecord) -> str:
    first, second = groups().costs
    sizes = {name: size >> 10 for name, (size, _, _) in CACHES.items()}
    return (
        "Two looks at the same steps. **Counted**: instructions by function of the interpreter and by phase, under"
        f" {record.valgrind}'s callgrind, in steps 3 and 4 of a training that goes round in two documents; with them the misses of"
        f" simulated caches (first level {sizes['I1']} KiB for code and {sizes['D1']} for data, second level {sizes['LL']} KiB). In the"
        f" cost, a miss of the first level counts as {first:g} instructions, one of the second as {second:g}. **Sampled**: where"
        f" {record.perf.replace('perf version', 'perf')} saw the process in real time, on the same documents. Functions are put into"
        " groups by [symbols.toml](../bench/host/pages/symbols.toml). [How to make such a page](../docs/breakdown.md)"
    )


def _pictures(run: Run, runtimes: list[str]) -> list[str]:
    charts = {chart.name: chart for chart in breakdown_charts.breakdowns(run)}
    return [
        f"![{charts[name].title}]({run.folder.name}/plots/{name}.svg)\n\n{charts[name].caption}"
        for runtime in runtimes
        for name in breakdown_charts.names(run, runtime)
    ]


def _meaning() -> Table:
    rows = [[name, about] for name, about in groups().about.items()]
    return Table("The groups", [], ["group", "what it does"], rows, [f"{UNMAPPED}: functions of no group."])


def _counts(run: Run, runtime: str, cells: Cells) -> Table:
    base, rows = cells[REFERENCE, runtime], []
    for (engine, _), one in cells.items():
        ratio = run.speedup(engine, runtime) if engine != REFERENCE else None
        rows.append(
            [
                engine,
                number(one.seconds * 1e3),
                "1" if engine == REFERENCE else NOTHING if ratio is None else ratio_text(ratio),
                f"{base.cost() / one.cost():.2f}",
                f"{base.total[0] / one.total[0]:.2f}",
                number(one.total[0] / 1e6),
                number(one.total[1] / 1e3),
                number(one.total[2] / 1e3),
                f"{one.seconds * 1e9 / one.total[0]:.3f}",
            ]
        )
    return Table(
        f"Counts of a step on {runtime}",
        [
            "ms/step: the reference's median, and that over the speedup. Speedups are the reference's over the engine's: of the time, as"
            " measured; of the cost, as counted; of the instructions alone. Misses in thousands.",
        ],
        ["engine", "ms/step", "speedup", "of the cost", "of instructions", "million instructions", "misses, first level",
         "second level", "ns/instruction"],
        rows,
        [],
    )  # fmt: skip


def _groups(run: Run, runtime: str, cells: Cells) -> Table:
    names = in_order({group for one in cells.values() for group in (*one.by_group, *one.sampled)})
    rows = []
    for (engine, _), one in cells.items():
        apart = [abs(one.counted.get(group, 0.0) - one.sampled.get(group, 0.0)) for group in names]
        both = [f"{one.counted.get(group, 0.0):.0%} / {one.sampled.get(group, 0.0):.0%}" for group in names]
        if UNMAPPED in names:
            both[names.index(UNMAPPED)] = f"{one.counted.get(UNMAPPED, 0.0):.1%} / {one.sampled.get(UNMAPPED, 0.0):.1%}"
        rows.append([engine, *both, f"{max(apart):.0%}"])
    return Table(
        f"What the interpreter does on {runtime}: share counted / share sampled",
        [
            "Counted: of the cost, misses in the group that has them. Sampled: of"
            f" {min(one.samples for one in cells.values()):,} samples or more. apart: the largest difference of the two."
        ],
        ["engine", *names, "apart"],
        rows,
        [],
    )


def _phases(run: Run, runtime: str, cells: Cells) -> Table:
    rows = [
        [engine, *(_phase(one, phase) for phase in PHASES), f"{one.by_group.get('collector', [0.0])[0] / 1e6:,.1f}"]
        for (engine, _), one in cells.items()
    ]
    return Table(
        f"The phases of a step on {runtime}: million instructions, share of the cost",
        [
            "Graph building: forward. Sort: up to where the loss's own gradient is set; an engine that computes gradients while it goes"
            " backward may have none. The collector works in whichever phase makes objects; its instructions are in the last column again.",
        ],
        ["engine", *PHASES.values(), "collector"],
        rows,
        [],
    )


def _phase(one: Broken, phase: str) -> str:
    counts = one.by_phase.get(phase)
    return (
        NOTHING if counts is None or counts[0] < 1e3 else f"{counts[0] / 1e6:,.1f} {one.cost(counts) / one.cost():.0%}"
    )


def _functions(runtime: str, cells: Cells) -> Table:
    one = cells[REFERENCE, runtime]
    counts = sorted(one.by_function.items(), key=lambda item: -one.found.samples.get(item[0], 0))[:TOP]
    rows = [
        [
            function,
            groups().of(function),
            f"{of_it[0] / one.total[0]:.1%}",
            f"{of_it[2] / one.total[2]:.1%}",
            f"{one.found.samples.get(function, 0) / one.samples:.1%}",
        ]
        for function, of_it in counts
    ]
    return Table(
        f"The reference's functions with the most samples on {runtime}",
        [],
        ["function", "group", "instructions", "misses, second level", "samples"],
        rows,
        [],
    )


def _ablations(run: Run, cells: Cells) -> Table:
    """What is left out, and what that saves of the time: paired in lockstep with the engine that has it."""
    rows = []
    for engine, without, what, share in (
        (REFERENCE, f"{REFERENCE}_gc_off", "the collector", _collector),
        ("closures", "closures_gc_off", "the collector", _collector),
        (REFERENCE, "tape", "the sort", _sort),
    ):
        for name in run.record.runtimes if without in run.record.engines and engine in run.record.engines else ():
            ratio = run.speedup(without, name, over=engine)
            if ratio is not None:
                ends = [f"{1 - 1 / end:.0%}" for end in (ratio.low, ratio.high) if end is not None]
                measured = f"{1 - 1 / ratio.value:.0%}" + (f" [{', '.join(ends)}]" if ends else "")
                shares = share(cells[engine, name]) if (engine, name) in cells else (NOTHING, NOTHING)
                rows.append([f"{what} of {engine}", name, without, measured, *shares])
    return Table(
        "Checked by leaving it out",
        [
            "Measured: by how much the time of a step falls without it, in the same rounds. Without the sort the engine is `tape`, which"
            " keeps a list of nodes in its place. The collector costs more than its own time: what it moves through the caches, others have"
            " to fetch again.",
        ],
        ["what", "Python", "engine without it", "measured", "counted share", "sampled share"],
        rows,
        [],
    )


def _collector(one: Broken) -> tuple[str, str]:
    return f"{one.counted.get('collector', 0.0):.0%}", f"{one.sampled.get('collector', 0.0):.0%}"


def _sort(one: Broken) -> tuple[str, str]:
    return f"{one.cost(one.by_phase.get('sort', [0.0] * 3)) / one.cost():.0%}", NOTHING


def _failed(record: BreakdownRecord) -> Table:
    rows = [[name.replace("@", " on "), cell.failed] for name, cell in record.cells.items() if cell.failed]
    return Table("Not broken down", [], ["cell", "why"], rows, [])
