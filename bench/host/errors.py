"""The one kind of error that the command line shows as a line and exit status 2."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from bench.workload.config import WorkloadError


class UsageError(Exception):
    """Bad input or a missing part of the environment; the message says what is wrong and what to do."""


@contextlib.contextmanager
def training() -> Iterator[None]:
    """In this context arithmetic that fails is the options' or an engine's fault: numbers that training drove out of range."""
    try:
        yield
    except WorkloadError:  # a ValueError too
        raise
    except (ArithmeticError, ValueError) as error:
        raise UsageError(
            f"training has left what numbers can hold ({type(error).__name__}: {error}): choose a smaller learning rate or"
            " weight decay, or mend the engine"
        ) from error
