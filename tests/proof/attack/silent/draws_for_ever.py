"""Hangs while samples are drawn. FAILED."""

import dataclasses
import time

import engines

ENGINE = dataclasses.replace(
    engines.load("reference"), name="draws_for_ever", probabilities=lambda logits, temperature: time.sleep(1_000)
)
