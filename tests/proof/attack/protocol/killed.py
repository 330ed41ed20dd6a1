"""Is killed, as by a system that is out of memory. FAILED, by the signal's name."""

import dataclasses
import os
import signal

import engines


def backward(loss):
    os.kill(os.getpid(), signal.SIGKILL)


ENGINE = dataclasses.replace(engines.load("reference"), name="killed", backward=backward)
