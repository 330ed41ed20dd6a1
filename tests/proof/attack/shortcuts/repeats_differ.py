"""Gives another loss each time that a step is repeated from the same state. FAILED: the repeats are compared."""

import dataclasses

import engines

SAID = []


def backward(loss):
    loss.backward()
    SAID.append(loss.data)
    loss.data += 4e-15 * len(SAID)  # more than half a last bit of any loss here, and below what counts as rounding


ENGINE = dataclasses.replace(engines.load("reference"), name="repeats_differ", backward=backward)
