"""Always draws the first character: right losses, samples "aaaaaa". DIVERGED."""

import dataclasses

import engines

ENGINE = dataclasses.replace(
    engines.load("reference"),
    name="draws_a",
    probabilities=lambda logits, temperature: [1.0, *[0.0] * (len(logits) - 1)],
)
