"""Promises rounding and keeps every bit."""

import dataclasses

import engines
from bench.workload.engine import Parity

ENGINE = dataclasses.replace(engines.load("reference"), name="promises_less", parity=Parity.ROUNDING)
