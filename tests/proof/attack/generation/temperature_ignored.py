"""Samples of temperature 1 in place of 0.5. DIVERGED."""

import dataclasses

import engines

REFERENCE = engines.load("reference")
ENGINE = dataclasses.replace(
    REFERENCE,
    name="temperature_ignored",
    probabilities=lambda logits, temperature: REFERENCE.probabilities(logits, 1.0),
)
