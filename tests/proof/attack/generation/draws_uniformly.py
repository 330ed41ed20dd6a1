"""All tokens are equally probable. DIVERGED."""

import dataclasses

import engines

ENGINE = dataclasses.replace(
    engines.load("reference"),
    name="draws_uniformly",
    probabilities=lambda logits, temperature: [1 / len(logits)] * len(logits),
)
