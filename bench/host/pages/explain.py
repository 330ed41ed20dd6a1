"""The page that explains the engines: in their own words, the speedup of each on each runtime, and where its time goes."""

from __future__ import annotations

import ast
import pathlib
import re
from collections.abc import Mapping, Sequence

import numpy as np

from bench.host.pages import rendering, wording
from bench.host.pages.wording import number, ratio_text
from bench.host.results.records import REFERENCE
from bench.host.results.run import Run
from bench.host.results.table import NOTHING, Table
from bench.host.stats.flops import Arithmetic
from bench.host.system.errors import UsageError
from bench.host.system.interpreters import ROOT

Profile = Sequence[tuple[str, float]]
LIMIT = "native"
TOP = 6
WINDOWS = (10, 50, 200, 500)  # steps after which speedups are computed anew, in a run that is longer


# --------------------------------------------------------------------- the page


def page(
    run: Run,
    profiles: Mapping[str, Profile],
    profiled_on: str,
    limits: Arithmetic,
    collector_off: Run | None = None,
    longer: Run | None = None,
) -> str:
    """Markdown. ``profiles``: by engine, taken on the runtime ``profiled_on``. ``collector_off``: a run with --gc off;
    ``longer``: one of many steps."""
    if not run.rounds:
        raise UsageError(f"{run.folder} has no finished round")
    parts = [
        "# The engines: what each does, its speedup, and where its time goes",
        f"Made from [`{run.folder.name}`]({run.folder.name}/tables.md) by `microgpt-bench explain {run.folder.name}"
        + (f" --gc-off {collector_off.folder.name}" if collector_off else "")
        + (f" --long {longer.folder.name}" if longer else "")
        + "`. The descriptions are the docstrings of the engine files.",
        "\n".join(f"{line}<br>" for line in wording.preamble(run)[:3]),
        rendering.render_table(_distance(run, profiled_on, limits), "github"),
        rendering.render_table(_bought(run), "github"),
        *([rendering.render_table(_collector(run, collector_off), "github")] if collector_off else []),
        *([rendering.render_table(_ageing(longer), "github")] if longer else []),
    ]
    for engine in run.record.engines:
        parts += _section(run, engine, profiles.get(engine), profiled_on)
    return "\n\n".join(parts) + "\n"


def _bought(run: Run) -> Table:
    runtimes = list(run.record.runtimes)
    rows = []
    for engine, about in run.record.engines.items():
        if about.parent in run.record.engines and any(run.ok((engine, name)) for name in runtimes):
            rows.append(
                [f"{engine} over {about.parent}", *(_over(run, engine, about.parent, name) for name in runtimes)]
            )
    return Table(
        "Speedup of each change over the parent",
        ["Each engine compared with the engine that it is a copy of. " + wording.SHORT],
        ["engine", *wording.columns(runtimes)],
        rows,
        [],
    )


def _over(run: Run, engine: str, other: str, runtime: str) -> str:
    ratio = run.speedup(engine, runtime, over=other)
    return NOTHING if ratio is None else ratio_text(ratio, short=True)


def _collector(run: Run, off: Run) -> Table:
    """Speedups over the reference with the cyclic collector on, which is the rule, and off."""
    names = [name for name in run.record.runtimes if name in off.record.runtimes]
    if off.record.plan.gc != "off" or not names:
        raise UsageError(f"{off.folder.name} is not a run with --gc off on the same runtimes")
    heads = [f"{head} {state}" for head in wording.columns(names) for state in ("on", "off")]
    rows = [
        [engine, *(_over(it, engine, REFERENCE, name) for name in names for it in (run, off))]
        for engine in run.record.engines
        if engine != REFERENCE and engine in off.record.engines
    ]
    return Table(
        "The cyclic garbage collector: speedup over the reference with it on and off",
        [f"off: from the run {off.folder.name}, where the reference runs without it too. " + wording.SHORT],
        ["engine", *heads],
        [row for row in rows if set(row[1:]) != {NOTHING}],
        [],
    )


def _ageing(run: Run) -> Table:
    """Speedups over the reference in the first steps of a run, in later ones and in all."""
    steps = run.record.plan.steps
    if run.record.plan.at is not None:
        raise UsageError(
            f"{run.folder.name} has steps from all over the training run: measure with --from-start to see how speedups change"
        )
    if steps < WINDOWS[1]:
        raise UsageError(
            f"{run.folder.name} has {steps} steps: measure {WINDOWS[1]} or more to see how speedups change"
        )
    if not run.rounds:
        raise UsageError(f"{run.folder} has no finished round")
    ends = [end for end in WINDOWS if end < steps] + [steps]
    windows = [slice(start, end) for start, end in zip([0, *ends], ends)]
    rows = []
    for engine, name in sorted(run.cells, key=lambda cell: list(run.record.runtimes).index(cell[1])):
        if not run.ok((engine, name), (REFERENCE, name)):
            continue
        if engine == REFERENCE:
            times = run.times((engine, name))
            cells = [f"{number(float(np.nanmedian(times[:, window])) * 1e3)} ms" for window in [*windows, slice(None)]]
        else:
            cells = [
                NOTHING if ratio is None else ratio_text(ratio, short=True)
                for window in [*windows, slice(None)]
                for ratio in [run.speedup(engine, name, steps=window)]
            ]
        rows.append([name, engine, *cells])
    return Table(
        "As training goes on: speedup over the reference by step",
        [
            f"From the run {run.folder.name}: {run.record.workload.data}, {steps} steps, {len(run.rounds)} rounds;"
            f" {run.record.created}. The reference's row has its ms/step. {wording.SHORT}",
        ],
        ["runtime", "engine", *(f"{window.start + 1}–{window.stop}" for window in windows), "all"],
        rows,
        [
            "Where the ratios rise from left to right together with the reference's ms/step, the reference slows down. A likely cause:"
            " each step creates and frees tens of thousands of objects, and new ones end up less and less in order in memory."
            " Where they rise more, the engine has less work: more relus output zero, and engines that skip zeros gain.",
        ],
    )


def _distance(run: Run, runtime: str, limits: Arithmetic) -> Table:
    flops, rows = sum(limits.step_flops), []
    for engine in run.record.engines:
        cell = (engine, runtime)
        if not run.ok(cell):
            continue
        seconds = float(np.nanmedian(run.times(cell), axis=0).sum())
        native = _over(run, LIMIT, engine, runtime) if LIMIT in run.record.engines else NOTHING
        rows.append(
            (
                seconds,
                [
                    engine,
                    number(seconds / len(limits.step_flops) * 1e3),
                    f"{flops / seconds / 1e6:,.1f}",
                    native,
                    f"{limits.limit * seconds / flops:,.0f}",
                ],
            )
        )
    return Table(
        f"How far from the limit, on {runtime}",
        [
            f"A step of this run needs {flops / len(limits.step_flops) / 1e3:,.0f} thousand floating-point operations; one core does"
            f" {limits.limit / 1e9:.1f} billion per second in a matrix product (NumPy's, 512 x 512, one thread).",
        ],
        ["engine", "ms/step", "million flops/s", f"times as slow as {LIMIT}", "times as slow as the limit"],
        [row for _, row in sorted(rows)],
        [],
    )


def _section(run: Run, engine: str, profile: Profile | None, profiled_on: str) -> list[str]:
    about = run.record.engines[engine]
    parts = [f"## {engine}", _docstring(engine, about.path)]
    if about.parent:
        parts.append(f"Compared with `{about.parent}`: {about.change}. Promised parity: {about.parity}.")
    runtimes = [name for name in run.record.runtimes if run.ok((engine, name))]
    if engine != REFERENCE and runtimes:
        row = ["over the reference", *(_over(run, engine, REFERENCE, name) for name in runtimes)]
        parts.append(rendering.grid(["speedup", *wording.columns(runtimes)], [row], "github"))
    if profile:
        rows = [[function, f"{share:.0%}"] for function, share in profile[:TOP]]
        rows.append(["all others", f"{1 - sum(share for _, share in profile[:TOP]):.0%}"])
        parts.append(rendering.grid([f"own time on {profiled_on} (py-spy)", "share"], rows, "github"))
    return parts


def _docstring(engine: str, path: str | None) -> str:
    file = pathlib.Path(path) if path else ROOT / "engines" / f"{engine}.py"
    try:
        text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    except OSError:
        return ""
    return re.sub(r"``(.+?)``", r"`\1`", text)
