"""Children are left to the system (SIGCHLD ignored), so that their time is in nobody's books. Not believed."""

import os
import pathlib
import pickle
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import _whole_step as whole

signal.signal(signal.SIGCHLD, signal.SIG_IGN)


def step(tokens):
    read, write = os.pipe()
    if not os.fork():
        with os.fdopen(write, "wb") as pipe:
            pickle.dump(whole.step(tokens), pipe)
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        return pickle.load(pipe)


ENGINE = whole.engine("child_nobody_waits_for", step)
