"""Gradients have the wrong sign: the model unlearns. DIVERGED before anything is trained."""

import dataclasses

import engines

ENGINE = dataclasses.replace(engines.load("reference"), name="gradient_sign", backward=lambda loss: (-loss).backward())
