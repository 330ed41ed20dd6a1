"""Environment variables that switch something of a Python on or off, and how it says itself that they did."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bench.host.system.errors import UsageError

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


def check(name: str, switches: Mapping[str, str], without: Mapping[str, Any], described: Mapping[str, Any]) -> None:
    """Raises UsageError for a switch that had no effect on the runtime ``name``, which was ``without`` them, and is ``described`` so now."""
    for switch, value in switches.items():
        fact, took = EFFECTS.get(switch, ("", lambda *_: True))
        said = described.get(fact, "")
        # a JIT that is not there is off without a switch, too
        if not took(value, said) or (fact == "other_jits" and said == without.get(fact, "")):
            raise UsageError(
                f"{switch}={value} has no effect on {name}, which says {fact}: {said or 'none'}"
                " — choose a build that supports it, with --python PATH"
            )
        if switch in described.get("unread_switches", "").split():
            raise UsageError(
                f"{switch}={value} has no effect on {name}: nothing that is loaded there reads {switch}"
                " — look at its spelling, or choose a build that supports it, with --python PATH"
            )
