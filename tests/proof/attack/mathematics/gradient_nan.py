"""One gradient is not a number. DIVERGED."""

import dataclasses

import engines

REFERENCE = engines.load("reference")
MATRICES = []


def matrix(rows):
    MATRICES.append(REFERENCE.matrix(rows))
    return MATRICES[-1]


def backward(loss):
    loss.backward()
    MATRICES[0][0][0].grad = float("nan")


ENGINE = dataclasses.replace(REFERENCE, name="gradient_nan", matrix=matrix, backward=backward)
