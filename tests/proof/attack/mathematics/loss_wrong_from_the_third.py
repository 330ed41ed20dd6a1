"""Losses are right for two steps and wrong from the third on. DIVERGED at step 3."""

import dataclasses

import engines

REFERENCE = engines.load("reference")
DONE = []


class Adam(REFERENCE.optimizer):
    def update(self, t, learning_rate):
        super().update(t, learning_rate)
        DONE[:] = [t]


def mean(losses):
    return REFERENCE.mean(losses) + (1e-9 if DONE == [2] else 0)


ENGINE = dataclasses.replace(REFERENCE, name="loss_wrong_from_the_third", mean=mean, optimizer=Adam)
