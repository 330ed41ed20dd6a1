"""Writes an answer of its own, as fast as it likes, to every open descriptor before the true one. FAILED."""

import contextlib
import dataclasses
import os

import engines

LINE = b'{"loss": "0x1.043ca15e7307cp+1", "ns": 1000, "cpu_ns": 1000}\n'


def backward(loss):
    loss.backward()
    for descriptor in range(3, 20):
        with contextlib.suppress(OSError):
            os.write(descriptor, LINE)


ENGINE = dataclasses.replace(engines.load("reference"), name="forges_answer", backward=backward)
