"""multiprocessing's pool of one computes all steps. Not believed, and ended with the worker."""

import multiprocessing
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import _whole_step as whole

POOL = []


def work(weights, tokens):
    for p, x in zip(whole.parameters(), weights):
        p.data = x
    return whole.step(tokens)


work.__module__, whole.work = whole.__name__, work  # where a child finds it by name


def step(tokens):
    if not POOL:
        POOL.append(multiprocessing.get_context("fork").Pool(1))
    return POOL[0].apply(whole.work, ([p.data for p in whole.parameters()], list(tokens)))


ENGINE = whole.engine("pool", step)
