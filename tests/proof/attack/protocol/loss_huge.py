"""Its loss is an integer beyond all floats. FAILED."""

import dataclasses

import engines


def backward(loss):
    loss.backward()
    loss.data = 10**400


ENGINE = dataclasses.replace(engines.load("reference"), name="loss_huge", backward=backward)
