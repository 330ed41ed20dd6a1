"""The second loss is not a number. DIVERGED at step 2."""

import dataclasses

import engines

REFERENCE = engines.load("reference")
LAST = []


def backward(loss):
    loss.backward()
    LAST[:] = [loss]


class Adam(REFERENCE.optimizer):
    def update(self, t, learning_rate):
        super().update(t, learning_rate)
        if t == 2:
            LAST[0].data = float("nan")


ENGINE = dataclasses.replace(REFERENCE, name="loss_nan", backward=backward, optimizer=Adam)
