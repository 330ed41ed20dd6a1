"""The command ``microgpt-bench generate``."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

import click

from bench.cli.ending import OK
from bench.cli.options import given, sampling_from, sampling_options
from bench.cli.values import Whole
from bench.cli.workload_options import WORKLOAD, config_from, workload_options
from bench.host.measure import training
from bench.host.pages import rendering, tokens
from bench.host.system import datasets
from bench.host.system.errors import UsageError
from bench.workload.failures import failures_of
from bench.workload.model import Model
from bench.workload.random_streams import seeded
from bench.workload.trainer import Trainer


@click.command("generate")
@click.option(
    "--model",
    "model_path",
    type=click.Path(path_type=pathlib.Path),
    metavar="FILE",
    help="Model that train --save wrote.  [default: train one first]",
)
@click.option(
    "--engine",
    "engine_name",
    metavar="NAME|FILE.py",
    help="Engine to run the model with.  [default: that of the saved model, or vector]",
)
@sampling_options
@click.option("--trace", is_flag=True, help="Print each token with the most probable alternatives.")
@workload_options
@click.option("--steps", type=Whole(0), default=1000, show_default=True, help="Training steps if no --model is given.")
def command(
    model_path: pathlib.Path | None,
    engine_name: str | None,
    trace: bool,
    data: str,
    steps: int,
    **options: Any,
) -> int:
    """Draw samples from a saved model, or from one that is trained first. --seed also sets the random draws."""
    samples, sampling = sampling_from(options)
    asked = _of_training()
    if model_path is not None and asked not in ([], ["--seed"]):
        raise UsageError(f"{asked[0]} is a training option, but {model_path} is already trained: leave one of them out")
    config = config_from(options)
    if model_path is not None:
        model = Model.load(model_path, engine_name)
        if asked:
            model.trainer.rng = seeded(model.config.rng, config.seed, model.config.gaussian)
        trainer = model.trainer
        trainer.check(sampling)
    else:
        trainer = Trainer(engine_name or "vector", datasets.locate(data), config)
        trainer.check(sampling)
        training.train_first(trainer, engine_name or "vector", data, steps)
    with failures_of(trainer.engine.name if engine_name is None else engine_name):
        if not trace:
            for sample in trainer.generate(samples, **dataclasses.asdict(sampling)):
                click.echo(sample)
            return OK
        drawn = list(trainer.generate(samples, **dataclasses.asdict(sampling), trace=True))
    click.echo(rendering.render_table(tokens.table(drawn), "plain", left=True))
    return OK


def _of_training() -> list[str]:
    """The options on the command line that a trained model has decided already; --seed among them."""
    return [
        parameter.opts[0]
        for parameter in click.get_current_context().command.params
        if parameter.name in (*WORKLOAD, "steps") and parameter.name != "top_k" and given(parameter.name)
    ]
