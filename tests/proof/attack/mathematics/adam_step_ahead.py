"""Adam counts its steps from 2. DIVERGED by the second loss."""

import dataclasses

import engines

REFERENCE = engines.load("reference")


class Adam(REFERENCE.optimizer):
    def update(self, t, learning_rate):
        super().update(t + 1, learning_rate)


ENGINE = dataclasses.replace(REFERENCE, name="adam_step_ahead", optimizer=Adam)
