"""A token has no probability. DIVERGED or FAILED."""

import dataclasses

import engines

REFERENCE = engines.load("reference")
ENGINE = dataclasses.replace(
    REFERENCE,
    name="probabilities_too_few",
    probabilities=lambda logits, temperature: REFERENCE.probabilities(logits, temperature)[:-1],
)
