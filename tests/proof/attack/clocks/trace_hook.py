"""Sets a tracing hook, which may change every variable of the worker's. FAILED."""

import dataclasses
import sys

import engines

sys.settrace(lambda frame, event, argument: None)


ENGINE = dataclasses.replace(engines.load("reference"), name="trace_hook")
