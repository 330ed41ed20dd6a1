"""The one kind of error that the command line shows as a line and exit status 2."""

from __future__ import annotations

from typing import Any

REPORT = "jinja2 ruptures vl-convert-python"  # the extra of that name in pyproject.toml


class UsageError(Exception):
    """Bad input or a missing part of the environment; the message says what is wrong and what to do."""


def needs_extra(what: str, missing: str) -> UsageError:
    """What to do where a package of the extra ``report`` is missing, installed or not from a checkout.

    The packages' names, as nobody knows here what the project was installed from.
    """
    return UsageError(f"{what} need {missing}: python -m pip install {REPORT}")


class Interrupted(Exception):
    """The user ended the measuring, and was told what is kept of it; ``finished`` has it, of what can be used like that."""

    def __init__(self, finished: Any = None) -> None:
        super().__init__()
        self.finished = finished
