"""Replaces the worker's own step, which now tells a tenth of the time. FAILED."""

import dataclasses

import engines
from bench.workload.worker import Worker

honest = Worker.step


def step(self, order):
    answer = honest(self, order)
    return {**answer, **{name: answer[name] / 10 for name in answer if name.endswith("ns")}}


Worker.step = step


ENGINE = dataclasses.replace(engines.load("reference"), name="worker_step_replaced")
