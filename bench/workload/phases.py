"""The phases of a training step, told to a tool that counts this process's instructions from outside.

Where a phase ends, a function of the module ``os`` is called that nothing else in a step calls and that does next to
nothing. The tool knows it by its name in C, ``os_`` and the name, and writes down what was counted up to there.
"""

from __future__ import annotations

import copy
import dataclasses
import os
import types
from typing import Any, Callable, Dict

from bench.workload.trainer import Step, Trainer

ENDS: Dict[str, str] = {  # the function that ends each phase, in the order of a step
    "between": "getppid",  # what lies before a step
    "forward": "getuid",
    "sort": "geteuid",  # this one is called by a line that is put into a copy of the engine's file
    "backward": "getgid",
    "update": "getegid",
    "freeing": "getpgrp",  # of the graph, when the step is over
}


def end(phase: str) -> None:
    """A phase is over."""
    getattr(os, ENDS[phase])()


def marked(trainer: Trainer) -> Callable[[], Step]:
    """What trains a step of a copy of ``trainer`` as `Trainer.step` does, and calls the function of each phase at its end."""
    engine, optimizer = trainer.engine, trainer.optimizer

    def backward(loss: Any) -> None:
        end("forward")
        engine.backward(loss)

    def update(*arguments: Any) -> None:
        optimizer.update(*arguments)
        end("update")

    def step() -> Step:
        end("between")
        done = trainer.step(look=lambda: end("backward"))
        end("freeing")
        return done

    trainer = copy.copy(trainer)  # the other one's parts stay as they are, which is looked after
    trainer.engine = dataclasses.replace(engine, backward=backward)
    trainer.optimizer = types.SimpleNamespace(update=update)
    return step
