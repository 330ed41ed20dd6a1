"""Keeps an arena of ten megabytes from step to step."""

import dataclasses

import engines

ARENA = [0.0] * 1_000_000


def reset():
    ARENA[:] = [0.0] * len(ARENA)


ENGINE = dataclasses.replace(engines.load("reference"), name="memory_kept", reset=reset)
