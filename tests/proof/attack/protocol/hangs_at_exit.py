"""Hangs when the worker's process is to end. Measured like any other, and ended."""

import atexit
import dataclasses
import time

import engines

atexit.register(time.sleep, 1_000)

ENGINE = dataclasses.replace(engines.load("reference"), name="hangs_at_exit")
