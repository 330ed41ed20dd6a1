"""Closes every descriptor, the answers' pipe among them. FAILED."""

import dataclasses
import os

import engines


def backward(loss):
    loss.backward()
    os.closerange(0, 100)


ENGINE = dataclasses.replace(engines.load("reference"), name="closes_descriptors", backward=backward)
