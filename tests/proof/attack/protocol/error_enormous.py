"""Fails with an error text of 100,000 characters, with line breaks and escape codes. FAILED, in one short plain line."""

import dataclasses

import engines


def backward(loss):
    raise ValueError("\x1b[31mred\x1b[2J\r\n" * 8_000)


ENGINE = dataclasses.replace(engines.load("reference"), name="error_enormous", backward=backward)
