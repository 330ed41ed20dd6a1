"""The learning rate is one part in a million too large. DIVERGED."""

import dataclasses

import engines

REFERENCE = engines.load("reference")


class Adam(REFERENCE.optimizer):
    def update(self, t, learning_rate):
        super().update(t, learning_rate * (1 + 1e-6))


ENGINE = dataclasses.replace(REFERENCE, name="adam_learning_rate", optimizer=Adam)
