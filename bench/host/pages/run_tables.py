"""A run's tables: made of what is on disk, never measuring. Each column of them is made here."""

from __future__ import annotations

import dataclasses
import json
import statistics

from bench.host.pages import machine_tables
from bench.host.pages.machine_tables import DRIFTS, speedup_text
from bench.host.pages.rendering import prose, render_table, render_tables
from bench.host.pages.wording import (
    COUNTERS_LEGEND,
    GATED,
    LEGEND,
    ONE_ROUND,
    SHORT,
    columns,
    decimals,
    more,
    number,
    preamble,
    ratio_text,
    runtime_line,
)
from bench.host.results import builds, suspicion
from bench.host.results.parity import Agreement, parity_text
from bench.host.results.records import REFERENCE, Cell, key
from bench.host.results.run import Run
from bench.host.results.table import NOTHING, Table
from bench.host.stats.paired import typical
from bench.host.system.errors import UsageError

SLOW_START = 1.0  # seconds more than the reference's: such a start is said below the table


def render(run: Run, style: str, base: str | None = None) -> str:
    """All tables of a run in one of FORMATS. Raises UsageError for a base runtime that is not in the run."""
    if not run.rounds:
        raise UsageError(f"{run.folder} has no finished round: go on with --resume {run.folder}")
    run_tables = tables(run, base)
    if style == "json":
        return json.dumps(
            {
                "run": run.folder.name,
                "preamble": preamble(run),
                "good": run.good(),
                "tables": [dataclasses.asdict(t) for t in run_tables],
            },
            indent=1,
            ensure_ascii=False,
        )
    parts = ["\n".join(prose(preamble(run), style))]
    parts += [render_table(table, style) for table in run_tables]
    parts += ["\n".join(prose(LEGEND + (COUNTERS_LEGEND if run.counters else []), style))]
    return "\n\n".join(parts)


def render_counters(run: Run, style: str) -> str:
    """Only the tables of counters, in one of FORMATS."""
    counted = counter_tables(run)
    legend = [] if style == "json" else ["\n".join(prose(COUNTERS_LEGEND, style))]
    return "\n\n".join([render_tables(counted, style), *legend])


def tables(run: Run, base: str | None = None) -> list[Table]:
    """One table per runtime, engines by speedup; with several runtimes also one across them."""
    runtimes = list(run.record.runtimes)
    base = base or runtimes[0]
    if base not in runtimes:
        raise UsageError(f"no runtime {base} in this run: choose from {', '.join(runtimes)}")
    run_tables = [table for one in runtimes for table in (_of_runtime(run, one), *machine_tables.by_machine(run, one))]
    if len(runtimes) > 1 and not run.gated:
        run_tables += [_speedups(run), _across(run, base)]
    return run_tables + counter_tables(run)


def counter_tables(run: Run) -> list[Table]:
    """One table of exact counters per runtime, of those that were counted."""
    return [table for runtime in run.record.runtimes if (table := _counters(run, runtime)).rows or table.below]


def headline(run: Run) -> Table:
    """Speedup over the reference, engines by runtimes: the README's table."""
    return _speedups(run)


def _of_runtime(run: Run, runtime: str) -> Table:
    measured, rows, below = [], [], []
    for engine in run.record.engines:
        cell = (engine, runtime)
        status, reason = run.status(cell)
        finding = run.finding(cell)
        if status == "ok":
            assert finding is not None
            seconds = run.seconds(cell)
            ratio = run.speedup(*cell)
            assert ratio is not None
            measured.append((ratio.value, engine, typical(seconds), ratio, finding))
        elif status == "skipped":
            below.append(f"skipped: {reason}")
        else:
            rows.append(
                [engine, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, "DIVERGED" if status == "diverged" else "failed"]
            )
            below.append(f"{engine} {'DIVERGED' if status == 'diverged' else status}: {reason}")
    broken = run.parity_violations()
    for _, engine, seconds_per_step, ratio, finding in sorted(measured, key=lambda row: -row[0]):
        nodes, peak = run.nodes(engine), run.peak_bytes((engine, runtime))
        drawing = run.samples_seconds((engine, runtime))
        rows.append(
            [
                engine,
                number(seconds_per_step * 1e3),
                "1"
                if engine == REFERENCE
                else NOTHING
                if run.gated and ratio.low is None
                else speedup_text(run, engine, runtime) + (" (wall)" if run.off_cpu((engine, runtime)) else ""),
                NOTHING if nodes is None else f"{nodes:,.0f}",
                NOTHING if peak is None else f"{peak / 1e6:.0f}",
                NOTHING if drawing is None else number(drawing * 1e3),
                parity_text(finding),
            ]
        )
        expected = run.samples((REFERENCE, runtime))
        if expected is not None and run.samples((engine, runtime)) not in (None, expected):
            why = ": a rounding error decided between two tokens" if finding.parity is Agreement.ROUNDING else ""
            below.append(f"{engine} draws other samples than the reference{why}")
        if (engine, runtime) in broken:
            below.append(f"{engine} broke its promise: {run.record.engines[engine].parity}")
        below += [f"{engine}: {remark}" for remark in remarks(run, (engine, runtime))]
        below += filter(None, [machine_tables.remark(engine, run.across(engine, runtime))])
        below += [] if run.gated else machine_tables.drift_remarks(run, engine, runtime)
    others = [ratio for _, engine, _, ratio, _ in measured if engine != REFERENCE]
    if any(ratio.low is None for ratio in others):
        below.append(GATED if run.gated else f"{ONE_ROUND}; {more(run)}")
    elif not all(ratio.separable for ratio in others):
        below.append("(=) the interval includes 1: this run cannot tell it from the reference; " + more(run))
    rows = [row for row in rows if row[1] != NOTHING] + [row for row in rows if row[1] == NOTHING]
    return Table(
        title=runtime,
        above=[runtime_line(run.record.runtimes[runtime])],
        headers=["engine", "ms/step", "speedup", "nodes", "MB", "samples", "parity"],
        rows=rows,
        below=below,
    )


def remarks(run: Run, cell: Cell) -> list[str]:
    """What the reader of a cell's times should know of them."""
    remarks = []
    if why := run.off_cpu(cell):
        remarks.append(f"{why}: its speedup is a ratio of wall times")
    if why := suspicion.too_fast(run.of(cell)):
        remarks.append(why)
    if run.record.engines[cell[0]].collector != "on" and run.record.plan.gc != "off":
        remarks.append("without the cyclic garbage collector, as its file says")
    if (seconds := _start_seconds(run, cell)) > _start_seconds(run, (REFERENCE, cell[1])) + SLOW_START:
        remarks.append(
            f"it takes {seconds:.1f} s to start, compiling included where it compiles; its times are without that"
        )
    return remarks


def _start_seconds(run: Run, cell: Cell) -> float:
    """The median over the rounds of the time to import the engine and come to the first gradients; 0 where nobody says."""
    told = [record.start_nanoseconds for record in run.of(cell) if record.start_nanoseconds]
    return statistics.median(told) * 1e-9 if told else 0.0


def _speedups(run: Run) -> Table:
    runtimes = list(run.record.runtimes)
    rows = []
    for engine in run.record.engines:
        cells = [(engine, runtime) for runtime in runtimes]
        if engine == REFERENCE or all(run.status(cell)[0] == "skipped" for cell in cells):
            continue
        rows.append([engine, *(_speedup(run, engine, runtime) for runtime in runtimes)])
    return Table(
        title="Speedup over the reference on the same runtime",
        above=["Time of the reference over time of the engine, paired step by step: above 1 is faster.", SHORT],
        headers=["engine", *columns(runtimes)],
        rows=rows,
        below=_below(run, rows),
    )


def _below(run: Run, rows: list[list[str]]) -> list[str]:
    """What is to be said below speedups: why there is no interval, and what a mark means."""
    marked = any(cell.endswith("~") for row in rows for cell in row)
    return [*([f"{ONE_ROUND}; {more(run)}"] if len(run.rounds) == 1 else []), *([DRIFTS] if marked else [])]


def _speedup(run: Run, engine: str, runtime: str) -> str:
    status, _ = run.status((engine, runtime))
    if status != "ok":
        return "DIVERGED" if status == "diverged" else NOTHING if status == "skipped" else status
    return speedup_text(run, engine, runtime, short=True)


def _across(run: Run, base: str) -> Table:
    runtimes = list(run.record.runtimes)
    rows = []
    for engine in run.record.engines:
        row = [engine]
        for runtime in runtimes:
            text = speedup_text(run, engine, runtime, (engine, base), short=True)
            row.append("1" if runtime == base and text != NOTHING else text)
        if any(cell != NOTHING for cell in row[1:]):
            rows.append(row)
    means = {runtime: run.mean_speedup(runtime, base) for runtime in runtimes if runtime != base}
    texts = {runtime: NOTHING if mean is None else ratio_text(mean, short=True) for runtime, mean in means.items()}
    rows.append(["geometric mean", *({base: "1", **texts}[runtime] for runtime in runtimes)])
    described = {name: about.described for name, about in run.record.runtimes.items()}
    unlike = [name for name in runtimes if builds.differences(described[base], described[name])]
    return Table(
        title=f"Speedup over the same engine on {base}",
        above=[f"Time on {base} over time on the runtime, paired step by step: above 1 is faster.", SHORT],
        headers=["engine", *(f"{head}{'*' * (name in unlike)}" for head, name in zip(columns(runtimes), runtimes))],
        rows=rows,
        below=[
            *_below(run, rows),
            *(f"* {line}" for line in builds.lines(base, run.record.runtimes, unlike)),
        ],
    )


def _counters(run: Run, runtime: str) -> Table:
    counters = run.counters
    counted = {
        engine: counters.cells[key((engine, runtime))]
        for engine in run.record.engines
        if counters and key((engine, runtime)) in counters.cells
    }
    reference = counted[REFERENCE].instructions if REFERENCE in counted else None
    rows, below = [], []
    for engine, counts in counted.items():
        own = counts.instructions
        rows.append(
            [
                engine,
                NOTHING if own is None else f"{own:,.0f}",
                NOTHING if own is None or reference is None else f"{reference / own:.{decimals(reference / own)}f}",
                NOTHING if counts.nodes is None else f"{counts.nodes:,.0f}",
                NOTHING if counts.blocks is None else f"{counts.blocks:,.0f}",
                NOTHING
                if counts.peak_bytes is None
                else f"{counts.peak_bytes / 1e3:,.{0 if counts.peak_bytes >= 1e5 else 1}f}",
                NOTHING if counts.collector_share is None else f"{100 * counts.collector_share:.1f}",
                NOTHING if counts.collections is None else f"{counts.collections:.1f}",
            ]
        )
        if counts.failed:
            below.append(f"{engine} failed: {counts.failed}")
        if counts.not_counted:
            below.append(f"{engine}, instructions: {counts.not_counted}")
    fine = [counts for counts in counted.values() if not counts.failed]
    jit = run.record.runtimes[runtime].described["implementation"] != "cpython"
    if jit and any(counts.instructions is not None for counts in fine):
        below.append(
            "instructions: those of compiling included; with this interpreter's JIT they do not repeat exactly"
        )
    if fine and all(counts.collector_share is None for counts in fine):
        below.append("gc: this interpreter's collector does not tell when it works")
    if fine and all(counts.blocks is None for counts in fine):
        below.append("blocks, kB: this interpreter has no tracemalloc")
    if counters and any(counts.instructions is None and not counts.not_counted for counts in fine):
        below += counters.notes
    headers = ["engine", "instructions", "ratio", "nodes", "blocks", "kB", "gc %", "gcs"]
    # a column that nothing is in is left out, and a line above says why
    kept = [column for column in range(len(headers)) if any(row[column] != NOTHING for row in rows)]
    return Table(
        title=f"{runtime}: counters of a step",
        above=[],
        headers=[headers[column] for column in kept],
        rows=[[row[column] for column in kept] for row in rows],
        below=below,
    )
