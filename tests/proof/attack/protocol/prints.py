"""Prints at every step, to both standard streams: none of it is an answer. FAILED by nothing: an honest engine."""

import dataclasses
import sys

import engines


def backward(loss):
    print("step", flush=True)
    print('{"loss": "0x1p+1", "ns": 1, "cpu_ns": 1}', file=sys.stderr, flush=True)
    loss.backward()


ENGINE = dataclasses.replace(engines.load("reference"), name="prints", backward=backward)
