"""The command ``microgpt-bench train``."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import click

from bench.cli import signals, targets
from bench.cli.ending import INTERRUPTED, OK
from bench.cli.options import given, sampling_from, sampling_options
from bench.cli.values import Whole
from bench.cli.workload_options import config_from, workload_options
from bench.host.measure import training
from bench.host.system import datasets
from bench.host.system.errors import UsageError
from bench.workload import ladder, model_file, start_file
from bench.workload.config import WorkloadError
from bench.workload.failures import failures_of
from bench.workload.generation import Sampling
from bench.workload.ladder.ladder_model import LadderModel
from bench.workload.trainer import Step, Trainer


@click.command("train")
@click.option(
    "--engine",
    "engine_name",
    default="reference",
    show_default=True,
    metavar="NAME|FILE.py",
    help="Engine to train with.",
)
@click.option(
    "--model",
    type=click.Choice(ladder.MODELS),
    default="gpt",
    show_default=True,
    help="The GPT, or one of the simpler models before it.",
)
@click.option(
    "--optimizer",
    type=click.Choice(ladder.OPTIMIZERS),
    default="adam",
    show_default=True,
    help="Optimizer; gpt has adam only.",
)
@workload_options
@click.option("--steps", type=Whole(1), default=1000, show_default=True, help="Training steps.")
@sampling_options
@click.option(
    "--losses",
    type=targets.Target(),
    metavar="FILE",
    help="Write every loss as float.hex, one per line.",
)
@click.option("--save", type=targets.Target(), metavar="FILE", help="Write the trained model.")
@click.option(
    "--export-start",
    type=targets.Target(),
    metavar="FILE",
    help="Write the first weights and the order of documents, for programs in other languages.",
)
@click.option(
    "--timing/--no-timing",
    default=None,
    help="Add each step's time to its line.  [default: with --preset optimized]",
)
def command(
    engine_name: str,
    model: str,
    optimizer: str,
    data: str,
    steps: int,
    losses: pathlib.Path | None,
    save: pathlib.Path | None,
    export_start: pathlib.Path | None,
    timing: bool | None,
    **options: Any,
) -> int:
    """Train in this interpreter and print what microgpt.py prints: the losses, then samples.

    An interrupt ends the training after the current step; --losses and --save are still written.
    """
    samples, sampling = sampling_from(options)
    wanted = [path for path in (losses, save, export_start) if path is not None]
    for path in wanted:
        targets.check_new(path)
        if wanted.count(path) > 1:
            raise UsageError(f"{path} is to hold two things: give --losses, --save and --export-start a file each")
    check_model(model)
    engine_name = "vector" if model != "gpt" and not given("engine_name") else engine_name
    timing = options["preset"] == "optimized" if timing is None else timing
    trainer = ladder.make(model, engine_name, datasets.locate(data), config_from(options), optimizer)
    _print_sizes(trainer, sampling)
    if export_start is not None and isinstance(trainer, Trainer):
        targets.write(export_start, start_file.text_of(trainer))
    history: list[str] = []
    with signals.wait() as interrupted, _keeping(trainer, history, losses, save):
        tell = functools.partial(_tell, trainer, steps, timing)
        training.train(trainer, engine_name, steps, tell, history, interrupted)
    if interrupted:
        kept = " and ".join(str(path) for path in (losses, save) if path is not None)
        click.echo(f"interrupted after {len(history)} steps{f': saved in {kept}' if kept else ''}", err=True)
        return INTERRUPTED
    _draw(trainer, engine_name, samples, sampling)
    return OK


def check_model(model: str) -> None:
    """Raises UsageError for an option that was given and has no meaning for a model of the ladder."""
    if model == "gpt":
        return
    uses = (*ladder.USES[model], "data", "model", "optimizer", "steps", "samples", "temperature", "losses", "timing")
    for parameter in click.get_current_context().command.params:
        name = str(parameter.name)
        if name.removesuffix("_name") not in uses and given(name):
            raise UsageError(f"{parameter.opts[0]} has no effect on the model {model}: leave one of them out")


def _print_sizes(trainer: Trainer | LadderModel, sampling: Sampling) -> None:
    """Print the lines before the first step. Raises WorkloadError where no samples can be drawn like this."""
    if isinstance(trainer, Trainer):
        trainer.check(sampling)
    if note := trainer.cut():
        click.echo(note, err=True)
    click.echo(f"num docs: {len(trainer.documents)}")
    click.echo(f"vocab size: {len(trainer.vocabulary)}")
    click.echo(f"num params: {sum(len(row) for matrix in trainer.weights().values() for row in matrix)}")


def _tell(trainer: Trainer | LadderModel, steps: int, timing: bool, done: Step) -> None:
    """Print the line of a step."""
    time = f" | {done.seconds * 1e3:.2f} ms" if timing else ""
    validation = ""
    if isinstance(trainer, Trainer) and trainer.validation_due():
        validation = f" | validation {trainer.validate():.4f}"
    click.echo(f"step {done.step:4d} / {steps:4d} | loss {done.loss:.4f}{time}{validation}")


@contextlib.contextmanager
def _keeping(
    trainer: Trainer | LadderModel, history: Sequence[str], losses: pathlib.Path | None, save: pathlib.Path | None
) -> Iterator[None]:
    """Write the files that were asked for after the training within: the losses also where it fails."""
    try:
        yield
    except WorkloadError:
        _keep_losses(history, losses)
        raise
    _keep_losses(history, losses)
    if save is not None and isinstance(trainer, Trainer):
        targets.write(save, model_file.text_of(trainer.saved()))


def _keep_losses(history: Sequence[str], path: pathlib.Path | None) -> None:
    if path is not None:
        targets.write(path, "".join(f"{loss}\n" for loss in history))


def _draw(trainer: Trainer | LadderModel, engine_name: str, samples: int, sampling: Sampling) -> None:
    """Print the samples."""
    how = dataclasses.asdict(sampling) if isinstance(trainer, Trainer) else {"temperature": sampling.temperature}
    with failures_of(engine_name):
        for number, sample in enumerate(trainer.generate(samples, **how), 1):
            click.echo(f"sample {number:2d}: {sample}")
