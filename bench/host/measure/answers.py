"""What a worker answered, looked at before anything of it is kept: a bad answer fails its cell alone."""

from __future__ import annotations

import base64
import math
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

from bench.workload.engine import Parity

LONGEST = 300  # characters of a text that an engine sent
MOST = 10**15  # of whatever is counted: nodes, bytes, nanoseconds


def one_line(text: object, longest: int = LONGEST) -> str:
    """A text of an engine's as a line for a terminal: no escape codes or line breaks, and no longer than ``longest``."""
    # of a long text nothing is read that is not shown
    kept = "".join(_printable(character) for character in str(text)[: longest + 1])
    kept = " ".join(kept.split())
    return kept if len(kept) <= longest else kept[: longest - 1] + "…"


def _printable(character: str) -> str:
    kind = unicodedata.category(character)
    return character if kind[0] not in "CZ" else " " if kind[0] == "Z" or character in "\t\n\r" else "�"


def problem(answer: Mapping[str, Any]) -> str:
    """What is wrong with an answer's fields, in a line; "" where nothing is. Unknown fields are not looked at."""
    for name, value in answer.items():
        if name in FIELDS:
            expected, is_good = FIELDS[name]
            try:
                good = is_good(value)
            except (ValueError, TypeError, LookupError, OverflowError, AttributeError):
                good = False
            if not good:
                return f"it answered {name}: {one_line(repr(value), 60)} where {expected} was expected"
    return ""


def _count(value: Any, least: float = 0) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value < MOST


def _time(value: Any) -> bool:
    return _count(value) and math.isfinite(value)


def _doubles(value: Any) -> bool:
    return isinstance(value, str) and len(base64.b64decode(value, validate=True)) % 8 == 0


def _hex(value: Any) -> bool:
    return isinstance(value, str) and isinstance(float.fromhex(value), float)


def _list(is_good: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(is_good, value))


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MOST


def _engine(value: Any) -> bool:
    texts = (value["name"], value["summary"], value["change"], value["parent"] or "")
    return all(isinstance(text, str) for text in texts) and value["parity"] in [promise.value for promise in Parity]


def _shapes(value: Any) -> bool:
    return all(isinstance(name, str) and len(sizes) == 2 and all(map(_whole, sizes)) for name, sizes in value.items())


FIELDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "runtime": ("facts about the interpreter", lambda value: isinstance(value, dict)),
    "affinity": ("CPU numbers", lambda value: value is None or _list(_whole)(value)),
    "engine": ("what the engine file says of itself", _engine),
    "shapes": ("each matrix's shape", _shapes),
    "gradients": ("packed numbers", _doubles),
    "parameters": ("packed numbers", _doubles),
    "drawn": ("packed numbers", _doubles),
    "along": ("packed numbers", _doubles),
    "estimate_ns": ("nanoseconds", _time),
    "wall_tick_ns": ("nanoseconds", _time),
    "cpu_tick_ns": ("nanoseconds", _time),
    "start_ns": ("nanoseconds", _whole),
    "ns": ("nanoseconds", _time),
    "cpu_ns": ("nanoseconds", _time),
    "geometric_ns": ("nanoseconds", _time),
    "geometric_cpu_ns": ("nanoseconds", _time),
    "first_ns": ("nanoseconds", _time),
    "own_ns": ("nanoseconds", _time),
    "delay_ns": ("nanoseconds", _time),
    "aside_ns": ("nanoseconds", _time),
    "late_ns": ("nanoseconds", _time),
    "read_ns": ("nanoseconds", _time),
    "cold_ns": ("a list of nanoseconds", _list(_time)),
    "load_ns": ("nanoseconds", _time),
    "yields": ("a number", _whole),
    "loss": ("a float in hexadecimal", _hex),
    "repeats": ("a number", lambda value: _whole(value) and value > 0),
    "repeated": ("floats in hexadecimal", _list(_hex)),
    "crowd": ("lists of floats in hexadecimal", _list(_list(_hex))),
    "validation": ("a float in hexadecimal", _hex),
    "nodes": ("numbers of nodes", _list(_whole)),
    "samples": ("texts", _list(lambda value: isinstance(value, str))),
    "peak_bytes": ("bytes", lambda value: value is None or _whole(value) or _list(_whole)(value)),
    "blocks": ("numbers of blocks", lambda value: value is None or _list(lambda one: isinstance(one, int))(value)),
    "share": ("a share", lambda value: value is None or _count(value)),
    "collections": ("a number", lambda value: value is None or _whole(value)),
}
