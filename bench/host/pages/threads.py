"""The tables of several models that are trained at the same time, a table for each runtime."""

from __future__ import annotations

import os

from bench.host.pages.wording import number, ratio_text, runtime_line
from bench.host.results.table import NOTHING, Table
from bench.host.results.threads import WAYS, Threads

ABOVE = (
    "Training steps a second of all models together, over those of one model alone, paired turn by turn: N is perfect for N"
    " models, 1 is no gain. ±: half the 95 % interval, in percent of the ratio."
)


def tables(threads: Threads) -> list[Table]:
    """A row for each engine: its rate alone, then by how much N threads and N processes multiply it."""
    return [_of_runtime(threads, runtime) for runtime in threads.record.runtimes]


def _of_runtime(threads: Threads, runtime: str) -> Table:
    rows, below = [], []
    several = threads.counts[1:]
    for engine in dict.fromkeys(crew.engine for crew in threads.crews if crew.runtime == runtime):
        own = [crew for crew in threads.crews if (crew.engine, crew.runtime) == (engine, runtime)]
        if all(crew.status == "skipped" for crew in own):
            below.append(f"skipped: {own[0].reason}")
            continue
        rate = threads.rate(engine, runtime)
        cells = [NOTHING if rate is None else number(rate)]
        for way in WAYS:
            for size in several:
                crew, ratio = threads.crew(engine, runtime, way, size), threads.throughput(engine, runtime, way, size)
                bad = "" if crew is None or crew.status in ("ok", "skipped") else crew.status
                cells.append(ratio_text(ratio, short=True) if ratio else bad.replace("diverged", "DIVERGED") or NOTHING)
        rows.append(
            [engine, *cells, next((crew.parity for crew in own if crew.status == "ok" and crew.parity), NOTHING)]
        )
        said = dict.fromkeys(f"{crew.status}: {crew.reason}" for crew in own if crew.status not in ("ok", "skipped"))
        below += [f"{engine} {line}" for line in said]
    if threads.one_import:
        below.append("the threads of a process share one import of each engine's file")
    cores = threads.record.machine.get("cores", os.cpu_count())
    return Table(
        f"{runtime}: models trained at the same time",
        [runtime_line(threads.record.runtimes[runtime]), f"{ABOVE} This machine has {cores} cores."],
        ["engine", "steps/s alone", *(f"{size} {way}" for way in WAYS for size in several), "parity"],
        rows,
        below,
    )
