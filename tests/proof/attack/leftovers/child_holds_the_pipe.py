"""Its child holds the answers' pipe open when the worker dies, so that no end of it is ever read. FAILED at once."""

import dataclasses
import os
import time

import engines


def backward(loss):
    if not os.fork():
        os.setsid()
        time.sleep(600)
    os._exit(3)


ENGINE = dataclasses.replace(engines.load("reference"), name="child_holds_the_pipe", backward=backward)
