"""Counts for ever. FAILED, after the time that a worker may be silent."""

import dataclasses

import engines


def backward(loss):
    while True:
        pass


ENGINE = dataclasses.replace(engines.load("reference"), name="hangs_busily", backward=backward)
