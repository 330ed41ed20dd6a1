"""Raises KeyboardInterrupt in the backward pass. FAILED, by its name."""

import dataclasses

import engines


def backward(loss):
    raise KeyboardInterrupt("as if nothing were wrong")


ENGINE = dataclasses.replace(engines.load("reference"), name="interrupts", backward=backward)
