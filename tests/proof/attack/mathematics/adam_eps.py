"""Adam with ε = 1.1e-8 in place of 1e-8. DIVERGED."""

import dataclasses

import engines

REFERENCE = engines.load("reference")
ENGINE = dataclasses.replace(
    REFERENCE,
    name="adam_eps",
    optimizer=lambda matrices, beta1, beta2, eps: REFERENCE.optimizer(matrices, beta1, beta2, 1.1e-8),
)
