"""The command line: ``microgpt-bench``, the same as ``python -m bench``."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import click

import engines as engine_files
from bench.host import compare as comparing
from bench.host import counters, datasets, lockstep, results, setup, tables
from bench.host.errors import UsageError
from bench.host.progress import RunProgress
from bench.host.results import PlanRecord
from bench.workload.config import Config, WorkloadError
from bench.workload.data import DEFAULT
from bench.workload.data import embedded as embedded_data
from bench.workload.trainer import Trainer

OK, FOUND, USAGE, INTERRUPTED = 0, 1, 2, 130  # exit statuses; README says what they mean
DEFAULTS = Config()


class Seconds(click.ParamType[float]):
    """A duration: 90, 90s, 5m or 1h."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds as a float."""
        if isinstance(value, float):
            return value
        unit = {"s": 1, "m": 60, "h": 3600}.get(value[-1:])
        try:
            seconds = float(value if unit is None else value[:-1]) * (unit or 1)
        except ValueError:
            seconds = -1.0
        if not 0 < seconds < 1e9:
            self.fail(f"{value!r} is no duration: write 90s, 5m or 1h", param, ctx)
        return seconds


def workload_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that decide the losses."""
    sizes = [
        ("--n-layer", DEFAULTS.n_layer, "Transformer layers."),
        ("--n-embd", DEFAULTS.n_embd, "Width of an activation."),
        ("--block-size", DEFAULTS.block_size, "Positions of a document that are used, at most."),
        ("--n-head", DEFAULTS.n_head, "Attention heads; must divide the width."),
        ("--seed", DEFAULTS.seed, "Of the one random stream: shuffle, weights, samples."),
        ("--schedule-steps", DEFAULTS.schedule_steps, "Steps over which the learning rate falls to 0."),
    ]
    for name, default, text in reversed(sizes):
        command = click.option(name, type=int, default=default, show_default=True, help=text)(command)
    text = f"Documents: an embedded list ({', '.join(embedded_data())}), 'names' for the real names.txt, or a PATH."
    return click.option("--data", default=DEFAULT, show_default=True, metavar="NAME|PATH", help=text)(command)


def config_from(options: dict[str, Any]) -> Config:
    """Take the workload's options out of ``options``. Raises WorkloadError."""
    names = ("n_layer", "n_embd", "block_size", "n_head", "seed", "schedule_steps")
    return Config(**{name: options.pop(name) for name in names})


FORMAT = click.option(
    "--format", "style", type=click.Choice(tables.FORMATS), default="plain", show_default=True, help="Of the tables."
)
BASE = click.option(
    "--base", metavar="RUNTIME", help="Runtime that the others are compared with.  [default: the run's first]"
)
RESULTS = click.option(
    "--results",
    "folder",
    type=click.Path(path_type=pathlib.Path),
    default="results",
    show_default=True,
    help="Where runs are kept.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="microgpt-bench")
def cli() -> None:
    """What each way of writing a scalar autograd engine costs on each Python runtime, with proof that the losses agree.

    Exit status: 0 all measured and agreed, 1 a cell diverged, failed or broke its promise, 2 bad input.
    """


@cli.command()
@click.option(
    "--engine",
    "engine_names",
    multiple=True,
    metavar="NAME|FILE.py",
    help="Engine to measure; repeatable.  [default: all]",
)
@click.option(
    "--python",
    "pythons",
    multiple=True,
    metavar="VERSION|PATH|NAME=PATH",
    help="Runtime; repeatable.  [default: every CPython 3.10 to 3.15 found]",
)
@workload_options
@click.option(
    "--steps",
    type=click.IntRange(1),
    default=6,
    show_default=True,
    help="Training steps in a round, from the seeded state.",
)
@click.option(
    "--rounds", type=click.IntRange(1), default=5, show_default=True, help="Rounds, each with fresh processes."
)
@click.option(
    "--budget",
    type=Seconds(),
    default="4m",
    show_default=True,
    help="No new round is begun that would end later than this.",
)
@click.option(
    "--turn",
    type=Seconds(),
    default="0.02",
    show_default=True,
    help="A shorter turn is filled with repeats of its step.",
)
@click.option(
    "--timeout", type=Seconds(), default="60s", show_default=True, help="A worker that is silent for longer has failed."
)
@click.option(
    "--gc",
    type=click.Choice(["on", "off", "freeze"]),
    default="on",
    show_default=True,
    help="The cyclic garbage collector in the workers.",
)
@RESULTS
@click.option("--name", help="Of the run's folder.  [default: date and time]")
@click.option(
    "--resume",
    type=click.Path(path_type=pathlib.Path),
    metavar="RUN",
    help="Go on with an interrupted run; other options are its own.",
)
@FORMAT
@BASE
def run(
    engine_names: tuple[str, ...],
    pythons: tuple[str, ...],
    data: str,
    steps: int,
    rounds: int,
    budget: float,
    turn: float,
    timeout: float,
    gc: str,
    folder: pathlib.Path,
    name: str | None,
    resume: pathlib.Path | None,
    style: str,
    base: str | None,
    **sizes: int,
) -> int:
    """Measure engines on runtimes in lockstep and print the tables."""
    if name is not None and (name in ("", ".", "..") or pathlib.Path(name).name != name):
        raise UsageError(f"--name {name!r} must be the name of one folder; say where with --results")
    with tempfile.TemporaryDirectory(prefix="microgpt-bench-") as workspace:
        if resume is not None:
            plan, measured = setup.resume(_find_run(resume, folder), pathlib.Path(workspace))
            missing: list[str] = []
        else:
            request = setup.Request(
                data=data,
                config=config_from(sizes),
                engine_names=engine_names,
                pythons=pythons,
                measuring=PlanRecord(steps, rounds, turn, timeout, budget, gc, order_seed=0),
                results=folder,
                name=name,
                base=base,
                command=["microgpt-bench", *sys.argv[1:]],
            )
            plan, measured, missing = setup.begin(request, pathlib.Path(workspace))
        with RunProgress(plan.orders(len(measured.rounds))) as progress:
            for line in missing:
                progress.say(line)
            progress.say(
                f"{len(plan.engines)} engines on {', '.join(measured.record.runtimes)}, into {measured.folder}"
            )
            try:
                lockstep.measure(plan, measured, progress)
            except KeyboardInterrupt:
                progress.say(
                    f"interrupted: {len(measured.rounds)} of {plan.record.rounds} rounds are kept;"
                    f" go on with: microgpt-bench run --resume {measured.folder}"
                )
                return INTERRUPTED
    results.write_atomically(measured.folder / "tables.md", tables.render(measured, "github", base) + "\n")
    click.echo(tables.render(measured, style, base))
    click.echo(f"kept in {measured.folder}", err=True)
    return OK if measured.good() else FOUND


@cli.command()
@click.argument("run_folder", metavar="RUN", type=click.Path(path_type=pathlib.Path))
@RESULTS
@FORMAT
@BASE
@click.option("--headline", is_flag=True, help="Only the table of speeds over the reference.")
def show(run_folder: pathlib.Path, folder: pathlib.Path, style: str, base: str | None, headline: bool) -> int:
    """Print a run's tables again. RUN is a folder, the name of one under results/, or 'latest'."""
    measured = results.load(_find_run(run_folder, folder))
    click.echo(
        tables.render_table(tables.headline(measured), style) if headline else tables.render(measured, style, base)
    )
    return OK if measured.good() else FOUND


@cli.command()
@click.argument("first", metavar="RUN[:RUNTIME]")
@click.argument("second", metavar="RUN[:RUNTIME]")
@RESULTS
@click.option("--anyway", is_flag=True, help="Compare runs of different machines or workloads too; the table says so.")
@FORMAT
def compare(first: str, second: str, folder: pathlib.Path, anyway: bool, style: str) -> int:
    """Compare two runs: how many times as fast the second is. Runtimes of the same name, or those named."""
    (one, one_runtime), (other, other_runtime) = (_split_runtime(text) for text in (first, second))
    runs = (results.load(_find_run(one, folder)), results.load(_find_run(other, folder)))
    found = comparing.compare(*runs, (one_runtime, other_runtime), anyway)
    if style == "json":
        click.echo(json.dumps([dataclasses.asdict(table) for table in found], indent=1, ensure_ascii=False))
    else:
        click.echo("\n\n".join(tables.render_table(table, style) for table in found))
    return OK


@cli.command()
@click.argument("run_folder", metavar="[RUN]", default="latest", type=click.Path(path_type=pathlib.Path))
@click.option(
    "--engine", "engine_names", multiple=True, metavar="NAME", help="Of the run's; repeatable.  [default: all]"
)
@click.option("--python", "pythons", multiple=True, metavar="RUNTIME", help="Of the run's; repeatable.  [default: all]")
@click.option("--timeout", type=Seconds(), default="5m", show_default=True, help="For one process that counts.")
@RESULTS
@FORMAT
def count(
    run_folder: pathlib.Path,
    engine_names: tuple[str, ...],
    pythons: tuple[str, ...],
    timeout: float,
    folder: pathlib.Path,
    style: str,
) -> int:
    """Add exact counters to a run: instructions, nodes, memory and the collector's share of a step.

    RUN is a folder, the name of one under results/, or the latest. Its timings stay as they are.
    """
    found = _find_run(run_folder, folder)
    cells = counters.restrict(results.load(found), engine_names, pythons)
    if not cells:
        raise UsageError(f"nothing to count in {found}: no such cell measured and agreed")
    with tempfile.TemporaryDirectory(prefix="microgpt-bench-") as workspace:
        plan, measured = setup.resume(found, pathlib.Path(workspace), {runtime for _, runtime in cells})
        with RunProgress(counters.ORDERS * len(cells)) as progress:
            try:
                good = counters.count(plan, measured, cells, progress, timeout)
            except KeyboardInterrupt:
                progress.say(f"interrupted: the cells counted so far are kept in {found}")
                return INTERRUPTED
    click.echo(tables.render_counters(measured, style))
    click.echo(f"kept in {measured.folder}", err=True)
    return OK if good else FOUND


def _split_runtime(text: str) -> tuple[pathlib.Path, str | None]:
    path, colon, runtime = text.rpartition(":")
    return (pathlib.Path(path), runtime) if colon and not os.path.exists(text) else (pathlib.Path(text), None)


@cli.command()
@click.option(
    "--engine",
    "engine_name",
    default="reference",
    show_default=True,
    metavar="NAME|FILE.py",
    help="Engine to train with.",
)
@workload_options
@click.option("--steps", type=click.IntRange(1), default=1000, show_default=True, help="Training steps.")
@click.option(
    "--samples", type=click.IntRange(0), default=20, show_default=True, help="Documents drawn from the trained model."
)
@click.option(
    "--temperature", type=click.FloatRange(0, min_open=True), default=0.5, show_default=True, help="Of the samples."
)
@click.option(
    "--losses",
    type=click.Path(path_type=pathlib.Path),
    metavar="FILE",
    help="Write every loss as float.hex, one a line.",
)
def train(
    engine_name: str, data: str, steps: int, samples: int, temperature: float, losses: pathlib.Path | None, **sizes: int
) -> int:
    """Train in this interpreter and print microgpt.py's lines: the losses, then samples."""
    trainer = Trainer(engine_name, datasets.locate(data), config_from(sizes))
    if losses is not None:
        _check_new_file(losses)
    click.echo(f"num docs: {len(trainer.documents)}")
    click.echo(f"vocab size: {len(trainer.vocabulary)}")
    click.echo(f"num params: {sum(len(row) for matrix in trainer.weights().values() for row in matrix)}")
    history = []
    for _ in range(steps):
        done = trainer.step()
        history.append(done.loss.hex())
        click.echo(f"step {done.step:4d} / {steps:4d} | loss {done.loss:.4f}")
    if losses is not None:
        results.write_atomically(losses, "".join(f"{loss}\n" for loss in history))
    for number, sample in enumerate(trainer.generate(samples, temperature), 1):
        click.echo(f"sample {number:2d}: {sample}")
    return OK


@cli.command("engines")
def list_engines() -> int:
    """List the engines: what each changes, against which parent, and what parity it promises."""
    rows = []
    for name in engine_files.NAMES:
        engine = engine_files.load(name)
        rows.append([name, engine.parent or "", engine.parity.value, engine.summary, engine.unavailable or "yes"])
    table = tables.Table("Engines", [], ["name", "parent", "parity", "summary", "available here"], rows, [])
    click.echo(tables.render_table(table, "plain", left=True))
    return OK


def _find_run(run_folder: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """A run by its path, by its name under the results folder, or the latest one there."""
    if str(run_folder) == "latest":
        runs = sorted(folder.glob("*/run.json"), key=lambda path: path.stat().st_mtime)
        if not runs:
            raise UsageError(f"no run in {folder} yet: microgpt-bench run makes one")
        return runs[-1].parent
    return run_folder if run_folder.exists() or not (folder / run_folder).exists() else folder / run_folder


def _check_new_file(path: pathlib.Path) -> None:
    """Raises UsageError if the file is there already, or could not be written later."""
    if path.exists():
        raise UsageError(f"{path} exists already: give another name or remove it")
    if not os.access(path.parent, os.W_OK):
        raise UsageError(f"cannot write {path}: {path.parent} is not a folder that can be written to")


def main() -> None:
    """Run the command line: one line on standard error and exit status 2 for whatever the user can mend."""
    try:
        status = cli.main(prog_name="microgpt-bench", standalone_mode=False)
    except click.ClickException as error:
        status = _say(error.format_message().replace("\n", " "))
    except (UsageError, WorkloadError, engine_files.EngineError) as error:
        status = _say(str(error))
    except (KeyboardInterrupt, click.Abort):
        status = INTERRUPTED
    except BrokenPipeError:  # the reader of our output, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        status = OK
    sys.exit(status)


def _say(line: str) -> int:
    print(f"microgpt-bench: {line}", file=sys.stderr)
    return USAGE
