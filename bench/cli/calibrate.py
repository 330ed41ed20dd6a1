"""The command ``microgpt-bench calibrate``."""

from __future__ import annotations

import pathlib
import sys

import click

from bench.cli.ending import INTERRUPTED, OK
from bench.cli.options import FORMAT, RESULTS, formerly
from bench.cli.values import Finite, Seconds, Whole
from bench.host.gate import trials as trying
from bench.host.measure.session import Session
from bench.host.pages import calibration as pages
from bench.host.pages import rendering
from bench.host.pages.recordings import checks, estimators, simulations
from bench.host.results.calibration import path_in
from bench.host.results.recordings import read
from bench.host.stats.sequential import Gate
from bench.host.system.errors import UsageError
from bench.workload.model_file import write_atomically


@click.command("calibrate")
@click.option(
    "--engine", default="combined", show_default=True, metavar="NAME|FILE.py", help="Engine to calibrate with."
)
@click.option(
    "--python", metavar="[NAME=]VERSION|PATH", help="Python to measure on.  [default: the newest CPython found]"
)
@click.option(
    "--null-trials", type=Whole(0), default=24, show_default=True, help="Trials of two equal copies of the engine."
)
@formerly("--equal", "--null-trials")
@click.option(
    "--slowdown",
    "slowdowns",
    multiple=True,
    metavar="SHARE[:TIMES]",
    default=("0.05", "0.02:4"),
    show_default=True,
    help="Slowdown to inject, as a share of a step; :TIMES multiplies the --budget of its trials. Repeatable.",
)
@click.option("--trials", type=Whole(0), default=8, show_default=True, help="Trials of each slowdown.")
@click.option(
    "--counts", type=Whole(0), default=0, show_default=True, help="Number of comparisons of instruction counts."
)
@click.option(
    "--count-slowdown",
    type=Finite(0, 1, min_open=True),
    default=0.005,
    show_default=True,
    help="Slowdown to inject in a second, equal number of comparisons.",
)
@formerly("--more", "--count-slowdown")
@click.option("--busy-core", is_flag=True, help="Keep another core busy during half of the trials.")
@formerly("--burn", "--busy-core", is_flag=True)
@click.option("--add", is_flag=True, help="Add to this machine's earlier calibration of the same engine and build.")
@click.option(
    "--limit",
    type=Seconds(),
    default="20m",
    show_default=True,
    help="Stop after this time and keep the finished trials.",
)
@click.option("--threshold", type=Finite(0), default=0.01, show_default=True, help="Threshold of the gate.")
@click.option(
    "--budget",
    type=Seconds(),
    default="25s",
    show_default=True,
    help="Time limit of a trial; about what one engine gets when check measures all.",
)
@click.option(
    "--recordings",
    type=click.Path(path_type=pathlib.Path),
    metavar="FILE",
    help="Do not measure: evaluate the estimators and the gate on the recorded pairs in FILE, and write the tables next to it.",
)
@RESULTS
@FORMAT
def command(
    engine: str,
    python: str | None,
    null_trials: int,
    slowdowns: tuple[str, ...],
    trials: int,
    counts: int,
    count_slowdown: float,
    busy_core: bool,
    add: bool,
    limit: float,
    threshold: float,
    budget: float,
    recordings: pathlib.Path | None,
    folder: pathlib.Path,
    style: str,
) -> int:
    """Measure the gate on this machine: its false alarms, and the smallest slowdown that it detects."""
    if recordings is not None:
        return _against(recordings, Gate(threshold), trials, style)
    asked = trying.Asked(
        null_trials,
        list(map(_parse_slowdown, slowdowns)),
        trials,
        counts,
        count_slowdown,
        busy_core,
        limit,
        budget,
        Gate(threshold),
    )
    request = trying.request(engine, python, budget, ["microgpt-bench", *sys.argv[1:]])
    with Session() as session:
        calibration, interrupted = trying.run(session, request, asked, folder, add)
    table = pages.table(calibration)
    path = path_in(folder).with_suffix(".md")
    write_atomically(path, rendering.render_table(table, "github") + "\n")
    click.echo(rendering.render_table(table, style))
    return INTERRUPTED if interrupted else OK


def _against(path: pathlib.Path, gate: Gate, trials: int, style: str) -> int:
    what, pairs = read(path)
    tables = [estimators(what, pairs), simulations(12, 6, 10 * trials), checks(pairs, gate, trials)]
    write_atomically(path.with_suffix(".md"), rendering.render_tables(tables, "github") + "\n")
    click.echo(rendering.render_tables(tables, style))
    return OK


def _parse_slowdown(text: str) -> tuple[float, float]:
    share, _, times = text.partition(":")
    try:
        parsed = float(share), float(times or 1)
    except ValueError:
        parsed = 0.0, 0.0
    if not 0 < parsed[0] <= 10 or not 0 < parsed[1] <= 1000:
        raise UsageError(f"--slowdown {text!r} is not SHARE[:TIMES], as in 0.05 or 0.02:4")
    return parsed
