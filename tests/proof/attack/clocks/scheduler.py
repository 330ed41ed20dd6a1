"""Chooses another scheduling policy than its neighbours have. FAILED."""

import dataclasses
import os

import engines

os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


ENGINE = dataclasses.replace(engines.load("reference"), name="scheduler")
