"""Replaces the function that reads a loss. FAILED."""

import dataclasses

import engines
from bench.workload import trainer

trainer.loss_of = lambda loss: float(loss.data)


ENGINE = dataclasses.replace(engines.load("reference"), name="loss_of_replaced")
