"""Replaces restore() by nothing, so that repeats train on. FAILED."""

import dataclasses

import engines
from bench.workload.trainer import Trainer

Trainer.restore = lambda self, snapshot: None


ENGINE = dataclasses.replace(engines.load("reference"), name="trainer_restore_replaced")
