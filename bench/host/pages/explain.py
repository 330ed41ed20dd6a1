"""The page that explains the engines: in their own words, what each bought on each runtime, and where its time goes."""

from __future__ import annotations

import ast
import dataclasses
import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence

import numpy as np

from bench.host.measure.plan import REFERENCE
from bench.host.pages import tables
from bench.host.pages.tables import NOTHING, Table, number, ratio_text
from bench.host.results.run import Run
from bench.host.stats.paired import paired_ratio
from bench.host.system import datasets
from bench.host.system.errors import UsageError
from bench.host.system.interpreters import ROOT
from bench.workload.config import Config
from bench.workload.trainer import Trainer

Profile = Sequence[tuple[str, float]]
LIMIT = "native"
ADAM_FLOPS = 13  # per weight: 3 for the first moment, 4 for the second, 6 for the update; powers count as one
TOP = 6
WINDOWS = (10, 50, 200, 500)  # steps after which speeds are taken anew, in a run that is longer
DGEMM = (
    "import numpy, time\n"
    "a = numpy.random.default_rng(1).random((512, 512)); times = []\n"
    "for _ in range(40):\n"
    "    started = time.perf_counter(); a @ a; times.append(time.perf_counter() - started)\n"
    "print(2 * 512**3 / min(times))"
)


@dataclasses.dataclass(frozen=True)
class Arithmetic:
    """``step_flops``: of each step of the run; ``limit``: flops per second that one core reached in a matrix product."""

    step_flops: list[float]
    limit: float


def step_flops(config: Config, positions: int, vocabulary: int) -> float:
    """Floating-point operations that a step needs, whoever does them.

    Twice the multiply-adds of all matrix products and of attention's two sums, times three (the backward pass has two
    products for each forward one), and Adam's. Norms, exponentials and residuals, some per cent, are left out.
    """
    n = config.n_embd
    products = positions * (12 * config.n_layer * n * n + vocabulary * n)
    attention = config.n_layer * n * positions * (positions + 1)  # scores and mixes, over 1 to positions entries
    weights = (2 * vocabulary + config.block_size) * n + 12 * config.n_layer * n * n
    return 3 * 2 * (products + attention) + ADAM_FLOPS * weights


def arithmetic(run: Run) -> Arithmetic:
    """The run's flops per step, and this machine's limit, measured with NumPy's matrix product on one thread."""
    config = Config(**run.record.workload.config)  # type: ignore[arg-type]
    trainer = Trainer(REFERENCE, datasets.locate_again(run.record.workload.data), config)
    lengths = [
        min(config.block_size, len(trainer.documents[step % len(trainer.documents)]) + 1)
        for step in range(run.record.plan.steps)
    ]
    one = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM")}
    done = subprocess.run([sys.executable, "-c", DGEMM], env={**os.environ, **one}, capture_output=True, text=True)
    if done.returncode:
        raise UsageError(f"cannot measure the machine's limit: {done.stderr.strip().splitlines()[-1]}")
    return Arithmetic([step_flops(config, n, len(trainer.vocabulary)) for n in lengths], float(done.stdout))


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
        "# The engines: what each does, what it bought, where its time goes",
        f"Made from [`{run.folder.name}`]({run.folder.name}/tables.md) by `microgpt-bench explain {run.folder.name}"
        + (f" --gc-off {collector_off.folder.name}" if collector_off else "")
        + (f" --long {longer.folder.name}" if longer else "")
        + "`; the words are the engine files' own.",
        "\n".join(f"{line}<br>" for line in tables.preamble(run)[:3]),
        tables.render_table(_distance(run, profiled_on, limits), "github"),
        tables.render_table(_bought(run), "github"),
        *([tables.render_table(_collector(run, collector_off), "github")] if collector_off else []),
        *([tables.render_table(_ageing(longer), "github")] if longer else []),
    ]
    for engine in run.record.engines:
        parts += _section(run, engine, profiles.get(engine), profiled_on)
    return "\n\n".join(parts) + "\n"


def _bought(run: Run) -> Table:
    runtimes = list(run.record.runtimes)
    rows = []
    for engine, about in run.record.engines.items():
        if about.parent in run.record.engines and any(run.status((engine, name))[0] == "ok" for name in runtimes):
            rows.append(
                [f"{engine} over {about.parent}", *(_over(run, engine, about.parent, name) for name in runtimes)]
            )
    return Table(
        "What each change bought: speed over the parent",
        ["The engine's one change against the engine that it is a copy of. " + tables.SHORT],
        ["engine", *tables.columns(runtimes)],
        rows,
        [],
    )


def _over(run: Run, engine: str, other: str, runtime: str) -> str:
    before, after = (other, runtime), (engine, runtime)
    if run.status(before)[0] != "ok" or run.status(after)[0] != "ok":
        return NOTHING
    return ratio_text(paired_ratio(*run.pair(before, after)), short=True)


def _collector(run: Run, off: Run) -> Table:
    """Speeds over the reference with the cyclic collector on, which is the rule, and off."""
    names = [name for name in run.record.runtimes if name in off.record.runtimes]
    if off.record.plan.gc != "off" or not names:
        raise UsageError(f"{off.folder.name} is no run with --gc off on the same runtimes")
    heads = [f"{head} {state}" for head in tables.columns(names) for state in ("on", "off")]
    rows = [
        [engine, *(_over(it, engine, REFERENCE, name) for name in names for it in (run, off))]
        for engine in run.record.engines
        if engine != REFERENCE and engine in off.record.engines
    ]
    return Table(
        "The cyclic garbage collector: speed over the reference with it on and off",
        [f"Off: from the run {off.folder.name}, where the reference runs without it too. " + tables.SHORT],
        ["engine", *heads],
        [row for row in rows if set(row[1:]) != {NOTHING}],
        [],
    )


def _ageing(run: Run) -> Table:
    """Speeds over the reference in the first steps of a run, in later ones and in all."""
    steps = run.record.plan.steps
    if steps < WINDOWS[1]:
        raise UsageError(f"{run.folder.name} has {steps} steps: measure {WINDOWS[1]} or more to see how speeds change")
    if not run.rounds:
        raise UsageError(f"{run.folder} has no finished round")
    ends = [end for end in WINDOWS if end < steps] + [steps]
    windows = [slice(start, end) for start, end in zip([0, *ends], ends)]
    rows = []
    for engine, name in sorted(run.cells, key=lambda cell: list(run.record.runtimes).index(cell[1])):
        base = (REFERENCE, name)
        if run.status((engine, name))[0] != "ok" or run.status(base)[0] != "ok":
            continue
        before, after = run.pair(base, (engine, name))
        if engine == REFERENCE:
            cells = [f"{number(float(np.nanmedian(before[:, window])) * 1e3)} ms" for window in [*windows, slice(None)]]
        else:
            cells = [
                ratio_text(paired_ratio(before[:, window], after[:, window]), short=True)
                for window in [*windows, slice(None)]
            ]
        rows.append([name, engine, *cells])
    return Table(
        "As training goes on: speed over the reference by step",
        [
            f"From the run {run.folder.name}: {run.record.workload.data}, {steps} steps, {len(run.rounds)} rounds;"
            f" {run.record.created}. The reference's own row has its ms/step. {tables.SHORT}",
        ],
        ["runtime", "engine", *(f"{window.start + 1}–{window.stop}" for window in windows), "all"],
        rows,
        [
            "Where ratios rise from left to right and the reference's ms/step with them, it is the reference that slows down. A likely"
            " cause: each step makes tens of thousands of objects and frees them, and new ones lie ever less in order in memory."
            " Where they rise more, the engine has less to do: ever more relus are closed, and engines that pass over zeros gain.",
        ],
    )


def _distance(run: Run, runtime: str, limits: Arithmetic) -> Table:
    flops, rows = sum(limits.step_flops), []
    for engine in run.record.engines:
        cell = (engine, runtime)
        if run.status(cell)[0] != "ok":
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
            f" {limits.limit / 1e9:.1f} thousand million a second in a matrix product (NumPy's, 512 x 512, one thread).",
        ],
        ["engine", "ms/step", "million flops/s", f"times {LIMIT}'s time", "times the limit's"],
        [row for _, row in sorted(rows)],
        [],
    )


def _section(run: Run, engine: str, profile: Profile | None, profiled_on: str) -> list[str]:
    about = run.record.engines[engine]
    parts = [f"## {engine}", _docstring(engine, about.path)]
    if about.parent:
        parts.append(f"A copy of `{about.parent}` but for: {about.change}. Promise: {about.parity}.")
    runtimes = [name for name in run.record.runtimes if run.status((engine, name))[0] == "ok"]
    if engine != REFERENCE and runtimes:
        row = ["over the reference", *(_over(run, engine, REFERENCE, name) for name in runtimes)]
        parts.append(tables.grid(["speed", *tables.columns(runtimes)], [row], "github"))
    if profile:
        rows = [[function, f"{share:.0%}"] for function, share in profile[:TOP]]
        rows.append(["all others", f"{1 - sum(share for _, share in profile[:TOP]):.0%}"])
        parts.append(tables.grid([f"own time on {profiled_on} (py-spy)", "share"], rows, "github"))
    return parts


def _docstring(engine: str, path: str | None) -> str:
    file = pathlib.Path(path) if path else ROOT / "engines" / f"{engine}.py"
    try:
        text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    except OSError:
        return ""
    return re.sub(r"``(.+?)``", r"`\1`", text)
