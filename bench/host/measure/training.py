"""Training in this process, as the commands train and generate do it."""

from __future__ import annotations

from collections.abc import Callable, Collection

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
