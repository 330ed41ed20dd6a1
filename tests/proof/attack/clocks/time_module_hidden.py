"""Puts another module in the place of time, in the worker's module. FAILED."""

import dataclasses
import sys
import time
import types

import engines

slow = types.ModuleType("time")
vars(slow).update(vars(time))
slow.perf_counter_ns = lambda: time.perf_counter_ns() // 10
slow.process_time_ns = lambda: time.process_time_ns() // 10
sys.modules["bench.workload.worker"].time = slow


ENGINE = dataclasses.replace(engines.load("reference"), name="time_module_hidden")
