"""Probabilities below zero. DIVERGED or FAILED."""

import dataclasses

import engines

REFERENCE = engines.load("reference")
ENGINE = dataclasses.replace(
    REFERENCE,
    name="probabilities_negative",
    probabilities=lambda logits, temperature: [-p for p in REFERENCE.probabilities(logits, temperature)],
)
