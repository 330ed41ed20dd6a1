"""All gradients are doubled, which Adam hides in the losses. DIVERGED by the first gradients."""

import dataclasses

import engines

ENGINE = dataclasses.replace(
    engines.load("reference"), name="gradient_doubled", backward=lambda loss: (2 * loss).backward()
)
