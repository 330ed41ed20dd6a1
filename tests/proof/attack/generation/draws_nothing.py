"""Ends every text at once: the samples take no time. DIVERGED."""

import dataclasses

import engines

ENGINE = dataclasses.replace(
    engines.load("reference"),
    name="draws_nothing",
    probabilities=lambda logits, temperature: [*[0.0] * (len(logits) - 1), 1.0],
)
