"""Reads from standard input, where the orders come from. FAILED, or it reads nothing."""

import dataclasses
import os
import select

import engines


def backward(loss):
    loss.backward()
    if select.select([0], [], [], 0.01)[0]:
        os.read(0, 10_000)


ENGINE = dataclasses.replace(engines.load("reference"), name="reads_orders", backward=backward)
