"""Writes bytes that are no text to every open descriptor. FAILED, or ignored."""

import contextlib
import dataclasses
import os

import engines


def backward(loss):
    loss.backward()
    for descriptor in range(3, 20):
        with contextlib.suppress(OSError):
            os.write(descriptor, b"\xff\xfe\x00 { \x1b[31m\n")


ENGINE = dataclasses.replace(engines.load("reference"), name="writes_garbage", backward=backward)
