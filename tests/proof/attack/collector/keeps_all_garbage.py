"""Keeps every graph in a list, so that none is ever freed: no trick, only memory. Honest."""

import dataclasses

import engines

KEPT = []


def backward(loss):
    KEPT.append(loss)
    loss.backward()


ENGINE = dataclasses.replace(engines.load("reference"), name="keeps_all_garbage", backward=backward)
