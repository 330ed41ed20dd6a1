"""Training in this process, as the commands train and generate do it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection

import engines
from bench.host.system.errors import UsageError
from bench.host.system.progress import RunProgress
from bench.workload.failures import check_loss, failures_of
from bench.workload.ladder.ladder_model import LadderModel
from bench.workload.trainer import Step, Trainer


def train(
    trainer: Trainer | LadderModel,
    engine: str,
    steps: int,
    tell: Callable[[Step], None],
    losses: list[str],
    ended: Collection[object] = (),
) -> None:
    """So many steps, or until ``ended`` has something in it. Raises WorkloadError where the training goes wrong.

    ``engine``: its name, or its file's path. ``tell`` is called after each step; the losses are added to ``losses``, as
    float.hex, the one that went wrong among them.
    """
    with failures_of(engine):
        while len(losses) < steps and not ended:
            done = trainer.step()
            losses.append(done.loss.hex())
            check_loss(done.step, done.loss)
            tell(done)


def train_first(trainer: Trainer, engine: str, data: str, steps: int) -> None:
    """Train, with progress on standard error, where a model is asked for and none is given."""
    with RunProgress(steps) as progress:
        progress.say(f"no --model: training {steps} steps on {data} first")
        if note := trainer.cut():
            progress.say(note)

        def tell(done: Step) -> None:
            progress.advance(f"loss {done.loss:.4f}" if done.step > 1 else "the first step")

        train(trainer, engine, steps, tell, [])


def generated_source(name: str) -> str:
    """The source that an engine generates for the default model. Raises UsageError for one that generates none."""
    engines.check_name(name)
    engine = engines.load(name)
    generated = getattr(importlib.import_module(f"engines.{name}"), "generated", None)
    if generated is None:
        raise UsageError(f"{name} generates no source code: choose one that does, such as compiled")
    trainer = Trainer(engine)
    trainer.step()
    trainer.generate(1)
    return "\n\n".join(text.rstrip() for _, text in sorted(generated().items()))
