"""Draws a number from the trainer's own random stream each time: right probabilities, other samples. DIVERGED."""

import dataclasses
import sys

import engines

REFERENCE = engines.load("reference")


def probabilities(logits, temperature):
    rng = sys._getframe(1).f_locals.get("rng")
    if rng is not None:
        rng.random()
    return REFERENCE.probabilities(logits, temperature)


ENGINE = dataclasses.replace(REFERENCE, name="steals_random_numbers", probabilities=probabilities)
