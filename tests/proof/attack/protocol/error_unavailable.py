"""Says that it is not available at its second step, which would be skipped. FAILED: it was, at the start."""

import dataclasses

import engines

REFERENCE = engines.load("reference")


class Adam(REFERENCE.optimizer):
    def update(self, t, learning_rate):
        if t == 2:
            raise engines.EngineUnavailable("it is tired")
        super().update(t, learning_rate)


ENGINE = dataclasses.replace(REFERENCE, name="error_unavailable", optimizer=Adam)
