"""Probabilities that are not numbers. DIVERGED or FAILED."""

import dataclasses

import engines

ENGINE = dataclasses.replace(
    engines.load("reference"),
    name="probabilities_nan",
    probabilities=lambda logits, temperature: [float("nan")] * len(logits),
)
