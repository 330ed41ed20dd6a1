"""Each step is computed by a thread: its time is the process's own, and counted. Unpaid."""

import pathlib
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import _whole_step as whole


def step(tokens):
    found = []
    thread = threading.Thread(target=lambda: found.append(whole.step(tokens)))
    thread.start()
    thread.join()
    return found[0]


ENGINE = whole.engine("thread_each_step", step)
