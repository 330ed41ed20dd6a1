"""The first loss is told at every step; what is trained is right. DIVERGED by the second one."""

import dataclasses

import engines

FIRST = []


def backward(loss):
    loss.backward()
    FIRST.append(loss.data)
    loss.data = FIRST[0]


ENGINE = dataclasses.replace(engines.load("reference"), name="loss_always_the_first", backward=backward)
