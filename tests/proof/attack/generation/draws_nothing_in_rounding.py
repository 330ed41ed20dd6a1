"""The same of an engine that promises rounding only: "a rounding error decided" is no excuse. DIVERGED."""

import dataclasses

import engines

FUSED = engines.load("direct_division")
ENGINE = dataclasses.replace(
    FUSED,
    name="draws_nothing_in_rounding",
    probabilities=lambda logits, temperature: [*[0.0] * (len(logits) - 1), 1.0],
)
