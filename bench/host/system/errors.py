"""The one kind of error that the command line shows as a line and exit status 2."""

from __future__ import annotations


class UsageError(Exception):
    """Bad input or a missing part of the environment; the message says what is wrong and what to do."""


class Interrupted(Exception):
    """The user ended the measuring, and was told what is kept of it."""
