"""A temperature of 0.500001: the same samples, most likely, and other probabilities. DIVERGED."""

import dataclasses

import engines

REFERENCE = engines.load("reference")
ENGINE = dataclasses.replace(
    REFERENCE,
    name="temperature_almost",
    probabilities=lambda logits, temperature: REFERENCE.probabilities(logits, temperature * (1 + 2e-6)),
)
