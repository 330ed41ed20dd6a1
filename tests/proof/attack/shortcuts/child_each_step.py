"""Each step is computed by a child that is forked for it and waited for. Its time is counted, or the cell not believed."""

import os
import pathlib
import pickle
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
    with os.fdopen(read, "rb") as pipe:
        found = pickle.load(pipe)
    os.waitpid(child, 0)
    return found


ENGINE = whole.engine("child_each_step", step)
