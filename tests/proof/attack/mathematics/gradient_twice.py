"""backward runs twice and accumulates twice. DIVERGED."""

import dataclasses

import engines


def backward(loss):
    loss.backward()
    loss.backward()


ENGINE = dataclasses.replace(engines.load("reference"), name="gradient_twice", backward=backward)
