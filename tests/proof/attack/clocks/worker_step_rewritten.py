"""Gives the worker's own step the code of another function. FAILED."""

import dataclasses

import engines
from bench.workload.worker import Worker


def step(self, order, *more):
    return {"loss": self.trainer.step().loss.hex(), "ns": 1000.0, "cpu_ns": 1000.0, "first_ns": 1000.0}


Worker.step.__code__ = step.__code__


ENGINE = dataclasses.replace(engines.load("reference"), name="worker_step_rewritten")
