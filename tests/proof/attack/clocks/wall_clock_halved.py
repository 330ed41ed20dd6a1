"""Replaces the wall's clock by one that goes at half the speed. FAILED."""

import dataclasses
import time

import engines

honest, start = time.perf_counter_ns, time.perf_counter_ns()
time.perf_counter_ns = lambda: start + (honest() - start) // 2


ENGINE = dataclasses.replace(engines.load("reference"), name="wall_clock_halved")
