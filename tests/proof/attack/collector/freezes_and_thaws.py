"""Freezes all objects within each step and thaws them at its end. FAILED."""

import dataclasses
import gc

import engines

REFERENCE = engines.load("reference")


def rmsnorm(x):
    gc.freeze()
    return REFERENCE.rmsnorm(x)


def reset():
    gc.unfreeze()


ENGINE = dataclasses.replace(engines.load("reference"), name="freezes_and_thaws", rmsnorm=rmsnorm, reset=reset)
