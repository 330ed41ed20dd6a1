"""Chooses its processors. FAILED."""

import dataclasses
import os

import engines

os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


ENGINE = dataclasses.replace(engines.load("reference"), name="affinity")
