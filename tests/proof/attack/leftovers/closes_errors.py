"""Closes standard error and raises. FAILED, by the error's name."""

import dataclasses
import os

import engines


def backward(loss):
    os.close(2)
    raise ValueError("nobody hears me")


ENGINE = dataclasses.replace(engines.load("reference"), name="closes_errors", backward=backward)
