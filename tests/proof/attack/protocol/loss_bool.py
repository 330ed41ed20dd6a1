"""Its loss is True. DIVERGED."""

import dataclasses

import engines


def backward(loss):
    loss.backward()
    loss.data = True


ENGINE = dataclasses.replace(engines.load("reference"), name="loss_bool", backward=backward)
