"""Replaces clocks where functions keep them: in their default arguments. FAILED."""

import dataclasses
import sys
import time
import types

import engines

wall, processor = time.perf_counter_ns, time.process_time_ns
SLOW = {wall: lambda: wall() // 10, processor: lambda: processor() // 10}


def slowed(value):
    return SLOW[value] if isinstance(value, types.BuiltinFunctionType) and value in SLOW else value


def slow_down(namespace):
    for thing in list(namespace.values()):
        if isinstance(thing, type) and thing.__module__.startswith("bench."):
            slow_down(vars(thing))
        if isinstance(thing, types.FunctionType):
            for name, value in (thing.__kwdefaults__ or {}).items():
                thing.__kwdefaults__[name] = slowed(value)
            if any(slowed(value) is not value for value in thing.__defaults__ or ()):
                thing.__defaults__ = tuple(map(slowed, thing.__defaults__))


for name, module in list(sys.modules.items()):
    if name.startswith("bench.workload."):
        slow_down(vars(module))

ENGINE = dataclasses.replace(engines.load("reference"), name="clocks_in_default_arguments")
