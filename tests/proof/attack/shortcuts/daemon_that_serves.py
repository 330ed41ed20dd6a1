"""A process with a session of its own, no child of the worker's any more, computes all steps. Not believed, and ended."""

import os
import pathlib
import pickle
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import _whole_step as whole

PIPES = []


def serve(orders, answers):
    while True:
        try:
            weights, tokens = pickle.load(orders)
        except EOFError:
            os._exit(0)
        for p, x in zip(whole.parameters(), weights):
            p.data = x
        pickle.dump(whole.step(tokens), answers)
        answers.flush()


def step(tokens):
    if not PIPES:
        (orders, to), (back, answers) = os.pipe(), os.pipe()
        child = os.fork()
        if not child:
            os.setsid()
            if os.fork():
                os._exit(0)
            os.close(to)
            serve(os.fdopen(orders, "rb"), os.fdopen(answers, "wb"))
        os.waitpid(child, 0)
        os.close(orders)
        PIPES[:] = os.fdopen(to, "wb"), os.fdopen(back, "rb")
    pickle.dump(([p.data for p in whole.parameters()], tokens), PIPES[0])
    PIPES[0].flush()
    return pickle.load(PIPES[1])


ENGINE = whole.engine("daemon_that_serves", step)
