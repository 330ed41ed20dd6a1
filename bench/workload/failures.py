"""Errors of training in this process: what the user's numbers or engine cause becomes a WorkloadError of one line."""

from __future__ import annotations

import contextlib
import math
import traceback
from typing import Iterator

from bench.workload.config import WorkloadError

LESS = "choose a smaller learning rate or weight decay"


@contextlib.contextmanager
def failures_of(engine: str) -> Iterator[None]:
    """In this context what an engine raises becomes WorkloadError, but for what only a fault of ours can raise.

    ``engine``: a built-in one's name, or the path of a user's file, of which every error is a line.
    """
    try:
        yield
    except WorkloadError:
        raise
    except RecursionError:
        raise WorkloadError(
            f"the graph of this model is too deep for {engine}, which walks it by recursion: choose another"
            " engine, such as iterative, or a smaller model"
        ) from None
    except (ArithmeticError, ValueError) as error:
        raise WorkloadError(
            f"a number became too large or undefined in training ({type(error).__name__}: {error}): {LESS}, or fix the engine"
        ) from error
    except Exception as error:
        if not engine.endswith(".py"):
            raise
        where = traceback.extract_tb(error.__traceback__)[-1]
        raise WorkloadError(
            f"the engine {engine} failed: {type(error).__name__}: {error} (line {where.lineno} of {where.filename})"
        ) from None


def check_loss(step: int, loss: float) -> None:
    """Raises WorkloadError for a loss that is no number: what follows it is none either."""
    if not math.isfinite(loss):
        raise WorkloadError(f"the loss of step {step} is {loss}: {LESS}")
