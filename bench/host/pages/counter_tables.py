"""A run's tables of exact counters, one per runtime."""

from __future__ import annotations

from bench.host.pages.rendering import prose, render_tables
from bench.host.pages.wording import counters_legend, decimals
from bench.host.results.bases import OVER_REFERENCE, Base, parse
from bench.host.results.records import key
from bench.host.results.run import Run
from bench.host.results.table import NOTHING, Table


def render(run: Run, style: str, over: str | None = None) -> str:
    """Only the tables of counters, in one of FORMATS. Raises UsageError for a base that is not in the run."""
    base = parse(run, over)
    counted = tables(run, base)
    legend = [] if style == "json" else ["\n".join(prose(counters_legend(base), style))]
    return "\n\n".join([render_tables(counted, style), *legend])


def tables(run: Run, base: Base = OVER_REFERENCE) -> list[Table]:
    """One table of exact counters per runtime, of those that were counted."""
    return [table for runtime in run.record.runtimes if (table := _counters(run, runtime, base)).rows or table.below]


def _counters(run: Run, runtime: str, base: Base) -> Table:
    counters = run.counters
    counted = {
        engine: counters.cells[key((engine, runtime))]
        for engine in run.record.engines
        if counters and key((engine, runtime)) in counters.cells
    }
    rows, below = [], []
    for engine, counts in counted.items():
        own, over = counts.instructions, base.of(run, engine, runtime)
        theirs = counters.cells[key(over)].instructions if counters and over and key(over) in counters.cells else None
        rows.append(
            [
                engine,
                NOTHING if own is None else f"{own:,.0f}",
                NOTHING if own is None or theirs is None else f"{theirs / own:.{decimals(theirs / own)}f}",
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
