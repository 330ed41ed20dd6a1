"""Raises GeneratorExit in the backward pass. FAILED, by its name."""

import dataclasses

import engines


def backward(loss):
    raise GeneratorExit("as if nothing were wrong")


ENGINE = dataclasses.replace(engines.load("reference"), name="generator_exits", backward=backward)
