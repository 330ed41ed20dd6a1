"""The loss is told with ten digits. DIVERGED."""

import dataclasses

import engines


def backward(loss):
    loss.backward()
    loss.data = round(loss.data, 10)


ENGINE = dataclasses.replace(engines.load("reference"), name="loss_rounded", backward=backward)
