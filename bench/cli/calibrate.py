"""The command ``microgpt-bench calibrate``."""

from __future__ import annotations

import pathlib
from typing import Any

import click

from bench.api import gating
from bench.api.tables import render
from bench.cli.ending import INTERRUPTED, OK
from bench.cli.options import FORMAT, RESULTS, cluster_options, command_words, formerly
from bench.cli.values import Finite, Seconds, Whole
from bench.host.system.errors import Interrupted, UsageError


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
@cluster_options
@FORMAT
def command(recordings: pathlib.Path | None, slowdowns: tuple[str, ...], style: str, **options: Any) -> int:
    """Measure the gate on this machine: its false alarms, and the smallest slowdown that it detects."""
    shares = list(map(_parse_slowdown, slowdowns))
    try:
        if recordings is not None:
            result: Any = gating.evaluate(recordings, threshold=options["threshold"], trials=options["trials"])
        else:
            result = gating.calibrate(slowdowns=shares, command=command_words(), **options)
    except Interrupted as ended:
        if ended.finished is None:
            raise
        click.echo(render(ended.finished, style))
        return INTERRUPTED
    click.echo(render(result, style))
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
