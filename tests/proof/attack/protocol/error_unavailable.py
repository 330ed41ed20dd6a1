"""Says that it is not available when it is to train, which would be skipped. FAILED: it was, at the start."""

import dataclasses

import engines

REFERENCE = engines.load("reference")


class Adam(REFERENCE.optimizer):
    def update(self, t, learning_rate):
        raise engines.EngineUnavailable("it is tired")


ENGINE = dataclasses.replace(REFERENCE, name="error_unavailable", optimizer=Adam)
