"""Turns the collector off in the first op of a step and on again in the last one: in between nobody looks. FAILED."""

import dataclasses
import gc

import engines


def rmsnorm(x):
    gc.disable()
    return REFERENCE.rmsnorm(x)


def reset():
    gc.enable()


REFERENCE = engines.load("reference")


ENGINE = dataclasses.replace(engines.load("reference"), name="off_within_each_step", rmsnorm=rmsnorm, reset=reset)
