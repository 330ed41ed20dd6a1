"""Its loss is a list. FAILED."""

import dataclasses

import engines


def backward(loss):
    loss.backward()
    loss.data = [loss.data]


ENGINE = dataclasses.replace(engines.load("reference"), name="loss_list", backward=backward)
