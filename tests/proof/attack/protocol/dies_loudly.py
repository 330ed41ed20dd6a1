"""Writes ten megabytes to standard error and dies. FAILED, in one short plain line."""

import dataclasses
import os
import sys

import engines


def backward(loss):
    sys.stderr.write("\x1b[5m!" * 2_500_000)
    sys.stderr.flush()
    os._exit(7)


ENGINE = dataclasses.replace(engines.load("reference"), name="dies_loudly", backward=backward)
