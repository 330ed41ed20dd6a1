"""A TOML file that a user writes: read, and its keys checked."""

from __future__ import annotations

import difflib
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import tomllib

from bench.host.system.errors import UsageError


def read(path: pathlib.Path) -> dict[str, Any]:
    """What stands in the file. Raises UsageError where it can't be read or is not TOML."""
    try:
        if path.exists() and not path.is_file():
            raise UsageError(f"cannot read {path}: it is not a file")
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        repr(content)  # numbers of thousands of digits can't be shown
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # TOML's own errors, and of dates and encodings
        raise UsageError(f"{path} is not TOML: {error}") from None
    return content


def check_keys(where: str, table: Mapping[str, Any], known: Sequence[str]) -> None:
    """Raises UsageError for an unknown key, naming the nearest known one."""
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
            raise UsageError(f"{where} has an unknown key {key!r}: did you mean {near[0]!r}?")
