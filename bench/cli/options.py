"""Command-line options that several commands share, each defined once; those of the workload are in workload_options.py."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Callable
from typing import Any

import click
from click.core import ParameterSource

from bench.cli.values import Cpus, Finite, Seconds, Whole
from bench.cli.workload_options import config_from, workload_options
from bench.host.pages import rendering
from bench.host.system.errors import UsageError
from bench.workload.generation import Sampling


def formerly(old: str, new: str, is_flag: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Keep an option's ``old`` name: not in the help, and said in a line where it is used. The ``new`` one decides."""

    def take(ctx: click.Context, param: click.Parameter, value: Any) -> None:
        if ctx.get_parameter_source(param.name or "") is ParameterSource.COMMANDLINE:
            click.echo(f"{old} is {new} now", err=True)
            ctx.default_map = {**(ctx.default_map or {}), new.strip("-").replace("-", "_"): value}

    return click.option(old, is_flag=is_flag, hidden=True, is_eager=True, expose_value=False, callback=take)


def measuring_options(
    engines: str | None,
    pythons: str,
    rounds: int | str | None,
    budget: str,
    workload: bool = True,
    steps: int = 6,
    workers: bool = True,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """What is measured and how often. ``engines``, ``pythons``, and ``rounds`` as a text, say what the default is; None: no option."""
    options = [
        *subject_options(engines, pythons),
        workload_options if workload else None,
        click.option(
            "--steps",
            type=Whole(1),
            default=steps,
            show_default=True,
            help="Training steps per round.",
        ),
        click.option(
            "--rounds",
            type=Whole(1),
            default=None if isinstance(rounds, str) else rounds,
            show_default=rounds if isinstance(rounds, str) else True,
            help="Rounds; each one starts fresh processes.",
        )
        if rounds
        else None,
        click.option(
            "--budget",
            type=Seconds(),
            default=budget,
            show_default=True,
            help="Time limit of the whole command; the first round is always finished.",
        ),
        *(worker_options() if workers else []),
    ]

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = command if option is None else option(command)
        return command

    return decorate


def subject_options(engines: str | None, pythons: str) -> list[Callable[..., Any]]:
    """What is measured; ``engines`` and ``pythons`` say what the default is; None: no option."""
    return [
        *([] if engines is None else [_engine_option(engines)]),
        click.option(
            "--python",
            "pythons",
            multiple=True,
            metavar="[NAME=]VERSION|PATH",
            help=f"Python to measure on; repeatable.  [default: {pythons}]",
        ),
        click.option(
            "--env",
            "env",
            multiple=True,
            metavar="[RUNTIME:]NAME=VALUE",
            help="Also measure each runtime with this environment variable, as in PYTHON_JIT=1; repeatable.",
        ),
    ]


def _engine_option(default: str) -> Callable[..., Any]:
    """Which engines. ``default`` says what none means."""
    about = f"Engine to measure; repeatable.  [default: {default}]"
    return click.option("--engine", "engines", multiple=True, metavar="NAME|FILE.py", help=about)


def worker_options() -> list[Callable[..., Any]]:
    """How workers take their steps, and by which clock."""
    return [
        click.option(
            "--min-time",
            type=Seconds(),
            default="0.02",
            show_default=True,
            help="Repeat a shorter step for this long, and take the mean.",
        ),
        formerly("--turn", "--min-time"),
        click.option(
            "--timeout",
            type=Seconds(),
            default="60s",
            show_default=True,
            help="Fail a worker that does not answer for this long.",
        ),
        click.option(
            "--gc",
            type=click.Choice(["on", "off", "freeze"]),
            default="on",
            show_default=True,
            help="Cyclic garbage collector in the workers.",
        ),
        click.option(
            "--clock",
            type=click.Choice(["cpu", "wall"]),
            default="cpu",
            show_default=True,
            help="Compute ratios from CPU time, which excludes waiting for a busy machine, or from wall time.",
        ),
        click.option("--affinity", type=Cpus(), help="Pin workers to these CPUs, as in 1 or 0,2.  [default: all]"),
    ]


def arguments(options: dict[str, Any]) -> dict[str, Any]:
    """The library's arguments of a measuring command's options: the workload's become its ``config``. Raises WorkloadError."""
    return {"config": config_from(options), "command": command_words(), **options}


def command_words() -> list[str]:
    """What the user typed, for the run's record."""
    return ["microgpt-bench", *sys.argv[1:]]


FORMAT = click.option(
    "--format",
    "style",
    type=click.Choice(rendering.FORMATS),
    default="plain",
    show_default=True,
    help="Format of the tables.",
)
BASE = click.option("--base", metavar="RUNTIME", help="Runtime to compare the others with.  [default: the run's first]")
OVER = click.option(
    "--over",
    metavar="ENGINE|parent|ROW",
    help="What speedups on a runtime are relative to: an engine there, each engine's parent, or one row for all, as in"
    " 'tape on cpython-3.14'.  [default: reference]",
)
RESULTS = click.option(
    "--results",
    type=click.Path(path_type=pathlib.Path),
    default="results",
    show_default=True,
    help="Folder that holds the runs.",
)


def cluster_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """A pool of machines that measures."""
    wait = click.option(
        "--wait",
        type=Seconds(),
        default="60s",
        show_default=True,
        help="How long to wait for a machine of the --cluster.",
    )
    cluster = click.option(
        "--cluster",
        metavar="ADDRESS|local:N",
        help="Measure by the machines of a Dask scheduler, each a round at a time; local:N tries it with N workers here.",
    )
    return cluster(wait(command))


SECONDS = click.option(
    "--seconds", type=Seconds(), default="3s", show_default=True, help="How long to train under the profiler."
)


def sampling_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """How samples are drawn."""
    options = [
        click.option("--samples", type=Whole(0), default=20, show_default=True, help="Number of samples to draw."),
        click.option(
            "--temperature",
            type=Finite(),
            default=0.5,
            show_default=True,
            help="Sampling temperature; lower is less random.",
        ),
        click.option("--greedy", is_flag=True, help="Always take the most probable token."),
        click.option("--prefix", default="", help="Text that each sample begins with."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def sampling_from(options: dict[str, Any]) -> tuple[int, Sampling]:
    """Take the samples' number and how they are drawn out of ``options``. Raises UsageError, WorkloadError."""
    asked = [name for name in ("temperature", "top_k") if given(name)]
    greedy = options.pop("greedy")
    if greedy and asked:
        raise UsageError(
            f"--greedy draws no random numbers, so --{asked[0].replace('_', '-')} has no effect: give only one of them"
        )
    samples, top_k = options.pop("samples"), options["top_k"]  # a workload's option too, and so left there
    return samples, Sampling(options.pop("temperature"), top_k, greedy, options.pop("prefix"))


def given(name: str) -> bool:
    """Whether a parameter of the command under way was on the command line."""
    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE
