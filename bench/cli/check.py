"""The command ``microgpt-bench check``."""

from __future__ import annotations

import pathlib
from typing import Any

import click

from bench.api import gating
from bench.api.tables import render
from bench.cli import ending, targets
from bench.cli.options import FORMAT, RESULTS, arguments, cluster_options, formerly, measuring_options
from bench.cli.values import Finite
from bench.host.results.verdicts import Outcome
from bench.host.system.errors import UsageError


@click.command("check")
@click.option(
    "--against",
    metavar="REV",
    help="Compare each engine with itself at this git revision, measured in the same rounds.  [default in a workflow:"
    " the base of a pull request, or the commit before a push]",
)
@click.option(
    "--against-python",
    metavar="[NAME=]VERSION|PATH",
    help="Compare each engine with itself on this Python, such as another build: is Python itself slower?",
)
@click.option(
    "--baseline",
    type=click.Path(path_type=pathlib.Path),
    metavar="RUN",
    help="Compare each engine's speedup over the reference with its speedup in this run.  [default: the committed run]",
)
@measuring_options("all", "the newest CPython found", None, "5m")
@click.option(
    "--threshold",
    type=Finite(0),
    help="Largest slowdown that passes, as a share of a step.  [default: 0.01 against a revision, 0.1 against a run, 0.25"
    " against the committed one]",
)
@click.option(
    "--instructions/--no-instructions",
    default=True,
    show_default=True,
    help="With --against: also count the instructions of changed engines under Valgrind, in the last 30 % of the budget.",
)
@click.option(
    "--hold",
    multiple=True,
    metavar="NAME=SHARE|off",
    help="Other quantities to check, and the largest increase that passes: memory, nodes, start-up, samples, waiting; repeatable."
    "  [default: memory 0.1, nodes 0.01, start-up 0.25, samples 0.05, waiting 0.02]",
)
@click.option("--strict", is_flag=True, help="Exit with status 3 if a cell is undecided.")
@click.option(
    "--allow-mismatch", is_flag=True, help="Accept a --baseline of another machine or build; the table says so."
)
@formerly("--anyway", "--allow-mismatch", is_flag=True)
@click.option(
    "--inject",
    multiple=True,
    metavar="ENGINE=SHARE",
    help="Slow an engine down, as in combined=0.05, to see the gate fail; repeatable.",
)
@click.option("--junit-xml", "junit", type=targets.Target(), metavar="FILE", help="Write the verdicts for CI servers.")
@click.option("--json", "json", type=targets.Target(), metavar="FILE", help="Write the verdicts as JSON.")
@RESULTS
@click.option("--name", help="Name of the run's folder.  [default: check- with date and time]")
@cluster_options
@FORMAT
def command(
    inject: tuple[str, ...], json: pathlib.Path | None, junit: pathlib.Path | None, style: str, **options: Any
) -> int:
    """The gate: has an engine become slower, or wrong?

    Exit status: 0 no, 1 a regression or a divergence, 2 bad input or nothing measured, 3 undecided with --strict,
    70 an error of microgpt-bench itself, 130 interrupted.
    """
    for path in (junit, json):
        if path is not None:
            targets.check(path)
    outcome = gating.check(inject=dict(map(_parse_injection, inject)), **arguments(options))
    unwritten = _write(outcome, json, junit)
    click.echo(render(outcome, style))
    if why_not := ending.append_step_summary(render(outcome, "github")):
        click.echo(why_not, err=True)
    if unwritten is not None:
        raise unwritten
    return outcome.exit_status


def _parse_injection(text: str) -> tuple[str, float]:
    engine, _, share = text.rpartition("=")
    try:
        slowdown = float(share)
    except ValueError:
        slowdown = -1.0
    if not engine or not 0 <= slowdown <= 10:
        raise UsageError(f"--inject {text!r} is not ENGINE=SHARE, a share of a step's time as in combined=0.05")
    return engine, slowdown


def _write(outcome: Outcome, json: pathlib.Path | None, junit: pathlib.Path | None) -> UsageError | None:
    """Write the files that were asked for; what is to be said, once the verdicts are printed, where that fails."""
    try:
        for path, style in ((json, "json"), (junit, "junit")):
            if path is not None:
                targets.write(path, render(outcome, style))
    except OSError as error:
        return UsageError(f"the verdicts above cannot be written to {error.filename}: {error.strerror}")
    return None
