"""Environment variables that switch something of a Python on or off, and how it says itself that they did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# What proves that a switch took effect: what the interpreter says of itself, and what it says when it did.
# https://docs.python.org/3/using/cmdline.html#environment-variables
EFFECTS: dict[str, tuple[str, Callable[[str, Any], bool]]] = {
    "PYTHON_JIT": ("jit", lambda value, said: said == ("off" if value == "0" else "on")),
    "PYTHON_GIL": ("gil", lambda value, said: said is (value != "0")),
    "PYTHONOPTIMIZE": ("optimize", lambda value, said: said == (int(value) if value.isdecimal() else 1)),
    "PYTHONDEVMODE": ("dev_mode", lambda value, said: said is bool(value)),
    "PYTHONHASHSEED": ("hash_randomization", lambda value, said: said is (value != "0")),
    # of JITs that are loaded: what they say of themselves
    "CINDERX_JIT_AUTO": ("other_jits", lambda value, said: _at_work("cinderx", said)),
    "CINDERX_JIT_DISABLE": ("other_jits", lambda value, said: "cinderx" in said and not _at_work("cinderx", said)),
    "CINDERX_DISABLE": ("other_jits", lambda value, said: not _at_work("cinderx", said)),
    "DISABLE_PYSTON": ("other_jits", lambda value, said: not _at_work("pyston_lite", said)),
}


def _at_work(jit: str, said: str) -> bool:
    """Whether one of the JITs that a description names is this one, and is neither off nor waiting to be asked."""
    return any(one.split()[:1] == [jit] and not one.endswith((" off", " on request")) for one in said.split(" and "))
