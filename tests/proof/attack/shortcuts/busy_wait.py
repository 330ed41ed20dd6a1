"""Half of the work is done by a child on another processor while the worker does its own half: two for the price of one.

Here the child computes the step and the worker looks busily whether it is done; the child's time counts too.
"""

import os
import pathlib
import pickle
import select
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import _whole_step as whole


def step(tokens):
    read, write = os.pipe()
    child = os.fork()
    if not child:
        with os.fdopen(write, "wb") as pipe:
            pickle.dump(whole.step(tokens), pipe)
        os._exit(0)
    os.close(write)
    while not select.select([read], [], [], 0)[0]:
        pass
    with os.fdopen(read, "rb") as pipe:
        found = pickle.load(pipe)
    os.waitpid(child, 0)
    return found


ENGINE = whole.engine("busy_wait", step)
