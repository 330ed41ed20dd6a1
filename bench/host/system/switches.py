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
    "PYTHONMALLOC": ("allocator", lambda value, said: _asked_for(value, said)),
    "PYTHONTRACEMALLOC": ("tracemalloc", lambda value, said: said == (int(value) if value.isdecimal() else 0)),
    "PYTHONPROFILEIMPORTTIME": ("import_times", lambda value, said: said is bool(value)),
    "PYTHONHASHSEED": ("hash_randomization", lambda value, said: said is (value != "0")),
    # of JITs that are loaded: what they say of themselves
    "CINDERX_JIT_AUTO": ("other_jits", lambda value, said: _at_work("cinderx", said)),
    "CINDERX_JIT_DISABLE": ("other_jits", lambda value, said: "cinderx" in said and not _at_work("cinderx", said)),
    "CINDERX_DISABLE": ("other_jits", lambda value, said: not _at_work("cinderx", said)),
    "DISABLE_PYSTON": ("other_jits", lambda value, said: not _at_work("pyston_lite", said)),
}
FREE = ("PYTHONHASHSEED",)  # whose every value is another seed, of which only "0" shows


def _asked_for(value: str, said: str) -> bool:
    """Whether an allocator is the one that PYTHONMALLOC names."""
    kind, _, hooks = value.partition("_")
    return (kind in ("default", "debug") or said.split(" ")[0] == kind) and (
        ("debug" in (kind, hooks)) is said.endswith("with debug hooks")
    )


def _at_work(jit: str, said: str) -> bool:
    """Whether one of the JITs that a description names is this one, and is neither off nor waiting to be asked."""
    return any(one.split()[:1] == [jit] and not one.endswith((" off", " on request")) for one in said.split(" and "))


def check(name: str, switches: Mapping[str, str], without: Mapping[str, Any], described: Mapping[str, Any]) -> None:
    """Raises UsageError for a switch that had no effect on the runtime ``name``, which was ``without`` them, and is ``described`` so now."""
    for switch, value in switches.items():
        fact, took = EFFECTS.get(switch, ("", lambda *_: True))
        said = described.get(fact, "")
        # what is not there is off without a switch, too
        same = fact != "" and switch not in FREE and said == without.get(fact, "")
        if same or not took(value, said):
            raise UsageError(
                f"{switch}={value} has no effect on {name}, which says {fact}: {said or 'none'}{' without it, too' * same}"
                " — choose a build that supports it, with --python PATH"
            )
        if switch in described.get("unread_switches", "").split():
            raise UsageError(
                f"{switch}={value} has no effect on {name}: nothing that is loaded there reads {switch}"
                " — look at its spelling, or choose a build that supports it, with --python PATH"
            )
