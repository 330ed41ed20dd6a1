"""Its loss is a text. FAILED."""

import dataclasses

import engines


def backward(loss):
    loss.backward()
    loss.data = "two point zero"


ENGINE = dataclasses.replace(engines.load("reference"), name="loss_text", backward=backward)
