"""What an engine must leave alone: the clocks, the collector, the trainer and the worker's own code.

An engine shares its process with what measures it. So what measures is remembered before the engine is imported, and
looked at again after every order: one that replaced any of it is not measured, whatever its reason.
"""

from __future__ import annotations

import builtins
import gc
import json
import math
import os
import random
import signal
import sys
import time
import types
from typing import Any, Callable, Dict, List, Tuple

STANDARD = (builtins, gc, json, json.decoder, json.encoder, math, os, random, time)
PASSING = ("__builtins__", "__warningregistry__")  # names that Python itself sets as it goes
LIBRARY = [module.__name__ for module in STANDARD]
TIMERS = [getattr(signal, name) for name in ("ITIMER_REAL", "ITIMER_VIRTUAL", "ITIMER_PROF") if hasattr(signal, name)]
MISSING = object()


def seal() -> Callable[[], str]:
    """Remember everything now; what is given says what is no longer as it was, and "" where all is."""
    names: List[Tuple[str, Any, str, Any]] = []  # to tell the user, whose namespace, name, what stood there
    codes: List[Tuple[str, Any, Any]] = []  # to tell the user, function, its code and defaults
    complete: List[
        Tuple[str, Any, int]
    ] = []  # to tell the user, a namespace that gets no further names, how many it has
    own = [module for name, module in sorted(sys.modules.items()) if name.startswith("bench.workload.")]
    for module in (*STANDARD, *own, sys.modules["engines"]):
        _remember(module.__name__, vars(module), names, codes, module.__name__)
    for module in own:  # a new name there could hide a built-in one
        complete.append((module.__name__, vars(module), len(set(vars(module)).union(PASSING))))

    def broken() -> str:
        for place, namespace, name, value in names:
            if namespace.get(name) is not value:
                return f"{place} was replaced"
        for place, function, code in codes:
            if _code(function) != code:
                return f"the code of {place} was replaced"
        for place, namespace, count in complete:
            if len(set(namespace).union(PASSING)) > count:
                return f"{place} was given further names"
        return ""

    return broken


def _remember(where: str, namespace: Any, names: List[Any], codes: List[Any], module: str) -> None:
    for name, value in list(namespace.items()):
        if name in PASSING or (value is None and module in LIBRARY):  # modules of the library fill such names in later
            continue
        names.append((f"{where}.{name}", namespace, name, value))
        value = getattr(value, "__func__", value)  # of static and class methods
        if getattr(value, "__module__", None) != module:
            continue
        if isinstance(value, types.FunctionType):
            codes.append((f"{where}.{name}", value, _code(value)))
        elif isinstance(value, type) and module.startswith(("bench.", "engines", "json", "random")):
            _remember(f"{where}.{name}", vars(value), names, codes, module)


def _code(function: types.FunctionType) -> Tuple[Any, ...]:
    """What decides what a function does. PyPy makes some of it anew whenever it is asked for."""
    defaults, keywords = function.__defaults__ or (), function.__kwdefaults__ or {}
    return (id(function.__code__), *map(id, defaults), *map(id, keywords.values()))


def parts_of(*parts: Any) -> List[Tuple[Any, type, Dict[str, Any]]]:
    """Some objects, with their classes and what their attributes are now."""
    return [(part, type(part), dict(vars(part))) for part in parts]


def replaced(parts: List[Tuple[Any, type, Dict[str, Any]]], passing: Tuple[str, ...] = ()) -> str:
    """In words, the first of their attributes that is another one now, but for those ``passing``; "" where none is."""
    for part, kind, attributes in parts:
        if type(part) is not kind:
            return f"the {kind.__name__} is of another class"
        now = vars(part)
        for name in {**attributes, **now}:
            if name not in passing and now.get(name, MISSING) is not attributes.get(name, MISSING):
                return f"the {kind.__name__}'s {name} was replaced"
    return ""


def interpreter_state() -> Dict[str, Any]:
    """What of the interpreter decides how long a step takes, or what is done in it: the collector, timers, hooks."""
    state: Dict[str, Any] = {"the garbage collector": "on" if gc.isenabled() else "off"}
    if hasattr(gc, "get_threshold"):
        state["the garbage collector's threshold"] = gc.get_threshold()
    if hasattr(gc, "callbacks"):
        state["the list of the garbage collector's callbacks"] = [id(callback) for callback in gc.callbacks]
    if hasattr(gc, "get_debug"):
        state["the garbage collector's debug setting"] = gc.get_debug()
    for timer in TIMERS:
        state["a timer of the process"] = state.get("a timer of the process") or signal.getitimer(timer)[0] > 0
    state["the profiling hook"] = sys.getprofile()
    state["the tracing hook"] = sys.gettrace()
    state["the interval of switching threads"] = sys.getswitchinterval() if hasattr(sys, "getswitchinterval") else None
    if hasattr(os, "getpriority"):
        state["the priority of the process"] = os.getpriority(os.PRIO_PROCESS, 0)
    if hasattr(os, "sched_getscheduler"):
        state["the scheduler of the process"] = os.sched_getscheduler(0)
    if hasattr(os, "sched_getaffinity"):
        state["the CPU affinity of the process"] = sorted(os.sched_getaffinity(0))
    return state


def changed(before: Dict[str, Any], now: Dict[str, Any]) -> str:
    """The first fact that is not what it was, in words; "" where all are."""
    for fact, value in before.items():
        if now[fact] != value:
            plain = isinstance(value, (str, int, float, tuple, list)) and "callbacks" not in fact
            return f"{fact} was changed" + (f" from {value} to {now[fact]}" if plain else "")
    return ""


def frozen_objects() -> int:
    """Objects that the collector was told to leave out; 0 where it can't be told."""
    return gc.get_freeze_count() if hasattr(gc, "get_freeze_count") else 0
