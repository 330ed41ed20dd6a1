"""A child, forked at the first step, computes all of them, through pipes. Not believed, and ended with the worker."""

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
        if not os.fork():
            os.close(to)
            serve(os.fdopen(orders, "rb"), os.fdopen(answers, "wb"))
        PIPES[:] = os.fdopen(to, "wb"), os.fdopen(back, "rb")
    pickle.dump(([p.data for p in whole.parameters()], tokens), PIPES[0])
    PIPES[0].flush()
    return pickle.load(PIPES[1])


ENGINE = whole.engine("child_that_serves", step)
