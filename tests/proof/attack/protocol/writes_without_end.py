"""Writes a megabyte without a line break to every open descriptor. FAILED, or ignored."""

import contextlib
import dataclasses
import os

import engines

DONE = []


def backward(loss):
    loss.backward()
    for descriptor in [] if DONE else range(1, 20):
        with contextlib.suppress(OSError):
            os.write(descriptor, b"x" * 1_000_000)
    DONE.append(True)


ENGINE = dataclasses.replace(engines.load("reference"), name="writes_without_end", backward=backward)
