"""Hangs a loss of its own on the model object. FAILED."""

import dataclasses
import gc
import types

import engines
from bench.workload.gpt import GPT

KNOWN = {}


def loss(self, tokens):
    return GPT.loss(self, tokens)


DONE = []


def backward(loss_):
    for thing in gc.get_objects() if not DONE else []:
        if type(thing) is GPT:
            thing.loss = types.MethodType(loss, thing)
    DONE.append(True)
    loss_.backward()


ENGINE = dataclasses.replace(engines.load("reference"), name="model_of_the_instance", backward=backward)
