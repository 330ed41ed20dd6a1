"""Every other step takes three times as long, by honest work."""

import dataclasses

import engines

REFERENCE, STEPS = engines.load("reference"), []


def backward(loss):
    STEPS.append(1)
    for _ in range(50_000 * (len(STEPS) % 2)):
        pass
    REFERENCE.backward(loss)


ENGINE = dataclasses.replace(engines.load("reference"), name="uneven", backward=backward)
