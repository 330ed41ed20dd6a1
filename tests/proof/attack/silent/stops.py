"""Stops itself by SIGSTOP. FAILED, after the time that a worker may be silent."""

import dataclasses
import os
import signal

import engines


def backward(loss):
    os.kill(os.getpid(), signal.SIGSTOP)


ENGINE = dataclasses.replace(engines.load("reference"), name="stops", backward=backward)
