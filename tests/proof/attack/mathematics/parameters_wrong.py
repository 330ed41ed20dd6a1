"""All losses are right; after the last step one weight is changed. DIVERGED by the final parameters."""

import dataclasses

import engines

REFERENCE = engines.load("reference")


class Adam(REFERENCE.optimizer):
    def update(self, t, learning_rate):
        super().update(t, learning_rate)
        if t == 3:
            self.parameters[0].data += 1e-9


ENGINE = dataclasses.replace(REFERENCE, name="parameters_wrong", optimizer=Adam)
