"""Loses its loss. FAILED, or DIVERGED."""

import dataclasses

import engines


def backward(loss):
    loss.backward()
    loss.data = None


ENGINE = dataclasses.replace(engines.load("reference"), name="loss_none", backward=backward)
