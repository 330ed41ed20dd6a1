"""Adam with β₂ = 0.999 in place of 0.99: the same first step. DIVERGED by a later one."""

import dataclasses

import engines

REFERENCE = engines.load("reference")
ENGINE = dataclasses.replace(
    REFERENCE,
    name="adam_beta2",
    optimizer=lambda matrices, beta1, beta2, eps: REFERENCE.optimizer(matrices, beta1, 0.999, eps),
)
