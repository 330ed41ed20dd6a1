"""A run's tables: made of what is on disk, never measuring. Each column of them is made here."""

from __future__ import annotations

import dataclasses
import json
import statistics

from bench.host.pages import across, counter_tables, machine_tables
from bench.host.pages.machine_tables import speedup_text
from bench.host.pages.rendering import prose, render_table
from bench.host.pages.wording import (
    GATED,
    ONE_ROUND,
    SHORT,
    columns,
    counters_legend,
    legend,
    more,
    number,
    preamble,
    runtime_line,
)
from bench.host.results import suspicion
from bench.host.results.bases import OVER_REFERENCE, Base, parse
from bench.host.results.parity import Agreement, parity_text
from bench.host.results.records import REFERENCE, Cell
from bench.host.results.run import Run
from bench.host.results.table import NOTHING, Table
from bench.host.stats.paired import typical
from bench.host.system.errors import UsageError

SLOW_START = 1.0  # seconds more than the reference's: such a start is said below the table


def render(run: Run, style: str, base: str | None = None, over: str | None = None) -> str:
    """All tables of a run in one of FORMATS; `tables` says what ``base`` and ``over`` are. Raises UsageError."""
    if not run.rounds:
        raise UsageError(f"{run.folder} has no finished round: go on with --resume {run.folder}")
    run_tables = tables(run, base, over)
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
    relative = parse(run, over)
    parts += ["\n".join(prose(legend(relative) + (counters_legend(relative) if run.counters else []), style))]
    return "\n\n".join(parts)


def tables(run: Run, base: str | None = None, over: str | None = None) -> list[Table]:
    """One table per runtime, engines by speedup; with several runtimes also one across them.

    ``base``: the runtime of the table across; ``over``: what speedups on a runtime are relative to, as
    `bench.host.results.bases.parse` reads it. Raises UsageError for what the run has not.
    """
    runtimes = list(run.record.runtimes)
    base = base or runtimes[0]
    if base not in runtimes:
        raise UsageError(f"no runtime {base} in this run: choose from {', '.join(runtimes)}")
    relative = parse(run, over)
    run_tables = []
    for one in runtimes:
        run_tables += [_of_runtime(run, one, relative), *machine_tables.by_machine(run, one, relative)]
    if len(runtimes) > 1 and not run.gated:
        run_tables += [_speedups(run, relative), across.table(run, base)]
    return run_tables + counter_tables.tables(run, relative)


def headline(run: Run, over: str | None = None) -> Table:
    """Speedup over the reference, or over another base, engines by runtimes: the README's table."""
    return _speedups(run, parse(run, over))


def _of_runtime(run: Run, runtime: str, base: Base) -> Table:
    measured, failed, below = [], [], []
    for engine in run.record.engines:
        status, reason = run.status((engine, runtime))
        if status == "ok":
            ratio = run.speedup(engine, runtime)
            assert ratio is not None
            measured.append((ratio.value, engine))
        elif status == "skipped":
            below.append(f"skipped: {reason}")
        else:
            word = "DIVERGED" if status == "diverged" else "failed"
            failed.append([engine, *[NOTHING] * (6 if base.parents else 5), word])
            below.append(f"{engine} {word if status == 'diverged' else status}: {reason}")
    rows, ratios, broken = [], [], set(run.parity_violations())
    for _, engine in sorted(measured, key=lambda row: -row[0]):
        over = base.of(run, engine, runtime)
        ratio = None if over is None or over == (engine, runtime) else run.speedup(engine, runtime, over)
        ratios += [ratio] if ratio is not None else []
        rows.append(_row(run, (engine, runtime), base))
        below += [f"{engine} broke its promise: {run.record.engines[engine].parity}"] * ((engine, runtime) in broken)
        below += _about(run, (engine, runtime), base)
    if any(ratio.low is None for ratio in ratios):
        below.append(GATED if run.gated else f"{ONE_ROUND}; {more(run)}")
    elif not all(ratio.separable for ratio in ratios):
        below.append(f"(=) the interval includes 1: this run cannot tell it from {base.text}; {more(run)}")
    if base.parents and any(row[3] == NOTHING for row in rows):
        below.append(f"{NOTHING}: it has no parent, or one that has no time here")
    speedup = "speedup" if base == OVER_REFERENCE else f"over {base.text}"
    return Table(
        title=runtime,
        above=[runtime_line(run.record.runtimes[runtime])],
        headers=[
            "engine",
            "ms/step",
            *(["parent"] if base.parents else []),
            speedup,
            "nodes",
            "MB",
            "samples",
            "parity",
        ],
        rows=rows + failed,
        below=below,
    )


def _row(run: Run, cell: Cell, base: Base) -> list[str]:
    """The row of a cell that has a time."""
    engine, finding = cell[0], run.finding(cell)
    assert finding is not None
    nodes, peak, drawing = run.nodes(engine), run.peak_bytes(cell), run.samples_seconds(cell)
    return [
        engine,
        number(typical(run.seconds(cell)) * 1e3),
        *([run.record.engines[engine].parent or NOTHING] if base.parents else []),
        _over(run, cell, base),
        NOTHING if nodes is None else f"{nodes:,.0f}",
        NOTHING if peak is None else f"{peak / 1e6:.0f}",
        NOTHING if drawing is None else number(drawing * 1e3),
        parity_text(finding),
    ]


def _over(run: Run, cell: Cell, base: Base, short: bool = False) -> str:
    """A cell's speedup over its base, with the interval; 1 of the base itself."""
    over = base.of(run, *cell)
    ratio = None if over is None else run.speedup(*cell, over)
    if over is None or ratio is None or (run.gated and ratio.low is None and cell[0] != REFERENCE):
        return NOTHING
    if over == cell:
        return "1"
    wall = not short and (run.off_cpu(cell) or run.off_cpu(over))
    return speedup_text(run, *cell, over, short) + (" (wall)" if wall else "")


def _about(run: Run, cell: Cell, base: Base) -> list[str]:
    """The lines below a table about one of its rows."""
    engine, finding = cell[0], run.finding(cell)
    below, expected = [], run.samples((REFERENCE, cell[1]))
    if expected is not None and run.samples(cell) not in (None, expected):
        rounded = finding is not None and finding.parity is Agreement.ROUNDING
        why = ": a rounding error decided between two tokens" if rounded else ""
        below.append(f"{engine} draws other samples than the reference{why}")
    below += [f"{engine}: {remark}" for remark in remarks(run, cell)]
    over = base.of(run, *cell)
    across = None if over is None or over == cell else run.across(*cell, over)
    below += filter(None, [machine_tables.remark(engine, across, base.text)])
    drifts = [] if run.gated or over is None or over == cell else machine_tables.drift_remarks(run, *cell, over)
    return below + drifts


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


def _speedups(run: Run, base: Base) -> Table:
    runtimes = list(run.record.runtimes)
    rows = []
    for engine in run.record.engines:
        cells = [(engine, runtime) for runtime in runtimes]
        if all(base.of(run, *cell) in (cell, None) or run.status(cell)[0] == "skipped" for cell in cells):
            continue
        parent = [run.record.engines[engine].parent or NOTHING] if base.parents else []
        rows.append([engine, *parent, *(_speedup(run, cell, base) for cell in cells)])
    where = "" if base.runtime else " on the same runtime"
    return Table(
        title=f"Speedup over {base.text}{where}",
        above=[f"Time of {base.text} over time of the engine, paired step by step: above 1 is faster.", SHORT],
        headers=["engine", *(["parent"] if base.parents else []), *columns(runtimes)],
        rows=rows,
        below=machine_tables.below(run, rows),
    )


def _speedup(run: Run, cell: Cell, base: Base) -> str:
    status, _ = run.status(cell)
    if status != "ok":
        return "DIVERGED" if status == "diverged" else NOTHING if status == "skipped" else status
    return _over(run, cell, base, short=True)
