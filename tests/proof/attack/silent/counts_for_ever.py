"""Hangs while its nodes are counted, after its steps were timed. Its times are kept."""

import dataclasses
import time

import engines

ENGINE = dataclasses.replace(
    engines.load("reference"), name="counts_for_ever", count_nodes=lambda loss: time.sleep(1_000)
)
