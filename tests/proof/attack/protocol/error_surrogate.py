"""Fails with an error text that cannot be encoded. FAILED, in one plain line."""

import dataclasses

import engines


def backward(loss):
    raise ValueError("half a character: \ud800, and one that turns text: \u202e")


ENGINE = dataclasses.replace(engines.load("reference"), name="error_surrogate", backward=backward)
