"""relu is right forward and passes every gradient backward. DIVERGED."""

import dataclasses

import engines

REFERENCE = engines.load("reference")


def relu(x):
    return [xi + (max(0, xi.data) - xi.data) for xi in x]


ENGINE = dataclasses.replace(REFERENCE, name="relu_gradient_one", relu=relu)
