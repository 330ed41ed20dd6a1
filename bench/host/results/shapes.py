"""JSON of the right shape, into dataclasses: the first of two things that what is read from disk must pass; see checks.py.

Everything here raises ValueError with what is wrong; whoever reads the file adds its name and what to do.
"""

from __future__ import annotations

import json
import math
import pathlib
import stat
import sys
from collections.abc import Callable
from typing import Any, get_args, get_origin

import cattrs

from bench.host.results.parity import Agreement, Finding

MOST = 2**53  # of any whole number: a float still tells it from its neighbours


def parse(path: pathlib.Path) -> Any:
    """The JSON of a file; NaN, which some versions wrote for what is not known, is None. Raises OSError, ValueError."""
    if not stat.S_ISREG(path.stat().st_mode):  # a pipe or a device might never end
        raise ValueError("it is not a file")
    try:
        return json.loads(path.read_bytes().decode("utf-8"), parse_constant=_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _constant(name: str) -> float | None:
    return None if name == "NaN" else float(name)


def reason(error: BaseException) -> str:
    """In a line, what is wrong with a file: the first of what cattrs found, and where."""
    if isinstance(error, cattrs.BaseValidationError):
        reasons = cattrs.transform_error(error, format_exception=lambda inner, _: _plain(inner))
        return str(reasons[0]).splitlines()[0]
    return _plain(error)


def _plain(error: BaseException) -> str:
    return f"it lacks {error}" if isinstance(error, KeyError) else " ".join(str(error).split()) or type(error).__name__


def converter() -> cattrs.Converter:
    """Of parsed JSON into dataclasses, where nothing is taken for what it is not: "5" for 5, or a text for a list."""
    made = cattrs.Converter()
    for kind in (int, bool, str):
        made.register_structure_hook(kind, exactly)
    made.register_structure_hook(float, lambda value, _: _number(value))
    for union in (int | float, str | int | float):
        made.register_structure_hook(union, lambda value, _: _scalar(value))
    add: Any = made.register_structure_hook_factory
    add(lambda kind: get_origin(kind) is list, _list_hook)  # type: ignore[comparison-overlap]
    add(lambda kind: get_origin(kind) is dict, _dict_hook)  # type: ignore[comparison-overlap]
    made.register_structure_hook(Finding, lambda value, _: _finding(made, value))
    return made


def exactly(value: Any, kind: Any) -> Any:
    """The value, of exactly this type."""
    if type(value) is not kind:
        raise ValueError(f"expected {kind.__name__}, got {value!r:.60}")
    if kind is int and abs(value) > MOST:
        raise ValueError(f"{value!r:.60} is too large")
    if kind is str:
        value.encode()  # half of a surrogate pair can't be printed or written
        return sys.intern(value)  # every round has the same losses, and there may be thousands of rounds
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e300 < value < 1e300:
        raise ValueError(f"expected a finite number, got {value!r:.60}")
    return float(value)


def _scalar(value: Any) -> str | int | float:
    if isinstance(value, str | bool):
        return exactly(value, type(value))  # type: ignore[no-any-return]
    return value if isinstance(value, int) and abs(value) <= MOST else _number(value)


def _list_hook(kind: Any, made: cattrs.Converter) -> Callable[[Any, Any], Any]:
    (element,) = get_args(kind)

    def structure(value: Any, _: Any) -> list[Any]:
        if not isinstance(value, list):
            raise ValueError(f"expected a list, got {value!r:.60}")
        return [made.structure(item, element) for item in value]

    return structure


def _dict_hook(kind: Any, made: cattrs.Converter) -> Callable[[Any, Any], Any]:
    _, element = get_args(kind)

    def structure(value: Any, _: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValueError(f"expected a table, got {value!r:.60}")
        return {exactly(name, str): made.structure(item, element) for name, item in value.items()}

    return structure


def _finding(made: cattrs.Converter, value: Any) -> Finding:
    if not isinstance(value, dict):
        raise ValueError(f"expected a finding, got {value!r:.60}")
    largest = value.get("largest", 0.0)
    first = value.get("first_step")
    return Finding(
        Agreement(value["parity"]),
        math.inf if largest == math.inf else at_least(_number(largest), 0, "largest"),  # of a loss that is no number
        None if first is None else exactly(first, int),
        exactly(value.get("reason", ""), str),
    )


def at_least(value: float, least: float, what: str) -> float:
    """The value, from least to 1e18; what names it in the message."""
    if not least <= value <= 1e18:
        raise ValueError(f"its {what} is {value}")
    return value
