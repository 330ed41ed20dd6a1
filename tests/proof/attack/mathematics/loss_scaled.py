"""The loss that is told is one part in 10⁹ larger than the one that is trained on. DIVERGED."""

import dataclasses

import engines


def backward(loss):
    loss.backward()
    loss.data *= 1 + 1e-9


ENGINE = dataclasses.replace(engines.load("reference"), name="loss_scaled", backward=backward)
