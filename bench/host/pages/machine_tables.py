"""Where one speedup is not all: each machine, its own speedups and by how much they differ, and rounds that drift."""

from __future__ import annotations

from bench.host.pages.wording import ONE_ROUND, SHORT, decimals, more, number, ratio_text
from bench.host.results.bases import OVER_REFERENCE, Base
from bench.host.results.records import REFERENCE, Cell
from bench.host.results.run import Run
from bench.host.results.table import NOTHING, Table
from bench.host.stats.across_machines import BY_CHANCE, Across

DIFFER = (
    "differ by: standard deviation of the machines' speedups around the common one, beyond what their rounds explain;"
    " I²: the share of their variance that this is."
)
DRIFTS = (
    "~: its rounds drift over the run, with the load of the machine, by more than chance; the interval is wider for it."
)


def speedup_text(run: Run, engine: str, runtime: str, over: str | Cell = REFERENCE, short: bool = False) -> str:
    """A speedup with its interval; where machines disagree in which of the two is faster, those of the machines instead.

    With a mark where they disagree, or where rounds drift.
    """
    ratio, about = run.speedup(engine, runtime, over), run.across(engine, runtime, over)
    if ratio is None:
        return NOTHING
    if about is None or not about.disagree:
        drifts = run.drifts(engine, runtime, over)
        return ratio_text(ratio, short) + (("~" if short else " (~)") if drifts else "")
    if about.opposite:
        values = sorted(each.value for each in about.machines.values() if each.separable)
        low, high = (f"{value:.{decimals(value)}f}" for value in (values[0], values[-1]))
        return f"{low}…{high}≠" if short else f"{low} to {high} (≠)"
    return f"{ratio_text(ratio, short)}{'≠' if short else ' (≠)'}"


def remark(engine: str, about: Across | None, base: str = OVER_REFERENCE.text) -> str:
    """In words, whether machines disagree about an engine's speedup over the base; "" where they do not."""
    if about is None or not about.disagree:
        return ""
    if about.opposite:
        faster, slower = (
            ", ".join(name for name, each in about.machines.items() if each.separable and (each.value > 1) is wanted)
            for wanted in (True, False)
        )
        return f"{engine} (≠): faster than {base} on {faster}, slower on {slower}: no one speedup stands for both"
    return f"{engine} (≠): its speedup is not the same on all machines (p < {BY_CHANCE:g})"


def drift_remarks(run: Run, engine: str, runtime: str, over: str | Cell = REFERENCE) -> list[str]:
    """In words, from where to where an engine's speedup drifts over the run, by machine where there are several."""
    several = len(run.machines) > 1
    return [
        f"{engine} (~){f' on {machine}' * several}: drifts, {number(first)} to {number(last)} over the run, by more than its"
        " rounds' noise allows: the load of the machine changed, and the interval is wider for it"
        for machine, (first, last) in run.drifts(engine, runtime, over).items()
    ]


def by_machine(run: Run, runtime: str, base: Base = OVER_REFERENCE) -> list[Table]:
    """The speedups of a runtime's engines over the base, a column for each machine; nothing for a run of one."""
    columns = list(run.machines)
    if len(columns) < 2:
        return []
    rows: list[list[str]] = []
    below: list[str] = []
    for engine in run.record.engines:
        over = base.of(run, engine, runtime)
        about = None if over is None or over == (engine, runtime) else run.across(engine, runtime, over)
        if about is None:
            continue
        own = [about.machines.get(name) for name in columns]
        share = f", I² {about.share:.0%}" if about.chance is not None else ""
        rows.append(
            [
                engine,
                *(NOTHING if ratio is None else ratio_text(ratio, short=True) for ratio in own),
                ratio_text(about.ratio, short=True),
                f"{about.spread * 100:.1f} %{share}",
            ]
        )
        below += filter(None, [remark(engine, about, base.text)])
    if len(columns) == 2 and rows:
        below.append("two machines say little of all others, so the intervals of both together are wide: add a third")
    above = [f"Each machine's own speedup over {base.text}, and all machines together.", SHORT, DIFFER]
    title = f"{runtime}: speedup by machine"
    return [Table(title, above, ["engine", *columns, "all", "differ by"], rows, below)] if rows else []


def below(run: Run, rows: list[list[str]]) -> list[str]:
    """What is to be said below speedups: why there is no interval, and what a mark means."""
    marked = any(cell.endswith("~") for row in rows for cell in row)
    return [*([f"{ONE_ROUND}; {more(run)}"] if len(run.rounds) == 1 else []), *([DRIFTS] if marked else [])]
