"""Checks of the description of an interpreter, which comes from the interpreter itself or from a run on disk."""

from __future__ import annotations

import re
from typing import Any

# the facts of bench.workload.runtime.describe that names, tables and comparisons are made of; it may give more
FACTS: dict[str, type] = {
    "implementation": str,
    "version": str,
    "python": str,
    "build": str,
    "compiler": str,
    "optimization": str,
    "pgo": bool,
    "lto": bool,
    "debug": bool,
    "free_threaded": bool,
    "gil": bool,
    "optimize": int,
    "dev_mode": bool,
    "hash_randomization": bool,
    "jit": str,
    "libc": str,
}
NAME = r"[\w.+-]+"  # becomes part of file names
VERSION = r"\d+(\.\d+)+[\w.+-]*"
KINDS = {str: "a text", bool: "true or false", int: "a whole number"}


def checked(described: Any) -> dict[str, Any]:
    """The description itself. Raises ValueError, whose message says what is wrong with it."""
    if not isinstance(described, dict):
        raise ValueError("what it says of itself is no table of facts")
    for name, kind in FACTS.items():
        if name not in described:
            raise ValueError(f"it does not say its {name}")
        if type(described[name]) is not kind:
            raise ValueError(f"its {name} is {described[name]!r:.60}, not {KINDS[kind]}")
    for name, value in described.items():
        if not isinstance(value, str | bool | int | float):
            raise ValueError(f"its {name} is {value!r:.60}, not a text or a number")
        if isinstance(value, str) and not all(character.isprintable() for character in value):
            raise ValueError(f"its {name} has characters that cannot be printed: {value!r:.60}")
    for name, form in (("implementation", NAME), ("version", VERSION), ("python", VERSION)):
        if not re.fullmatch(form, described[name], re.ASCII):
            raise ValueError(f"its {name} is {described[name]!r:.60}")
    return described
