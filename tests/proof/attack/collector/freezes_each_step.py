"""Freezes all objects in each step, so that the collector has nothing to look through. FAILED."""

import dataclasses
import gc

import engines


def backward(loss):
    gc.freeze()
    loss.backward()


ENGINE = dataclasses.replace(engines.load("reference"), name="freezes_each_step", backward=backward)
