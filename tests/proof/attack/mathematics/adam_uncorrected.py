"""Adam without its bias corrections. DIVERGED by the second loss."""

import dataclasses

import engines

REFERENCE = engines.load("reference")


class Adam(REFERENCE.optimizer):
    def update(self, t, learning_rate):
        super().update(10**6, learning_rate)


ENGINE = dataclasses.replace(REFERENCE, name="adam_uncorrected", optimizer=Adam)
