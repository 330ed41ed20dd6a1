"""Files that a user asks for: whether they can be written is known before any work, and `-` is standard output."""

from __future__ import annotations

import os
import pathlib
import sys
from typing import Any

import click

from bench.cli.ending import Output
from bench.host.system.errors import UsageError
from bench.workload.model_file import is_special, write_atomically

DASH = pathlib.Path("-")
_KEPT = "bench.cli.targets"  # of click's context: standard output, where it is kept for a file


class Target(click.Path):
    """A file to write. With `-` it goes to standard output, and what is usually printed there to standard error."""

    def __init__(self) -> None:
        super().__init__(path_type=pathlib.Path)

    def convert(self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path."""
        if str(value) == str(DASH) and ctx is not None and not ctx.resilient_parsing:
            if _KEPT in ctx.meta:
                self.fail("only one file can go to standard output", param, ctx)
            ctx.meta[_KEPT] = sys.stdout
            sys.stdout = sys.stderr
        return super().convert(value, param, ctx)


def check(path: pathlib.Path) -> None:
    """Raises UsageError if the file could not be written later, while nothing has been measured yet."""
    if path == DASH or (is_special(path) and os.access(path, os.W_OK)):
        return
    folder = pathlib.Path(os.path.realpath(path)).parent
    if path.is_dir() or not os.access(folder, os.W_OK):
        raise UsageError(f"cannot write {path}: {folder} is not a folder that can be written to")


def check_new(path: pathlib.Path) -> None:
    """Raises UsageError if the file is there already, or could not be written later."""
    if path != DASH and path.exists() and not is_special(path):
        raise UsageError(f"{path} exists already: give another name or remove it")
    check(path)


def write(path: pathlib.Path, text: str) -> None:
    """Write a file that was asked for, or standard output, in UTF-8 either way. Raises OSError."""
    if path != DASH:
        write_atomically(path, text)
        return
    out = click.get_current_context().meta[_KEPT]
    assert isinstance(out, Output)
    out.write_bytes(text.encode())
