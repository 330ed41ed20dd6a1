"""read_gradients tells the right gradients, the optimizer uses only their signs. DIVERGED by the second loss."""

import dataclasses
import math

import engines

REFERENCE = engines.load("reference")


class Adam(REFERENCE.optimizer):
    def update(self, t, learning_rate):
        for p in self.parameters:
            p.grad = math.copysign(1e-2 / t, p.grad) if p.grad else 0
        super().update(t, learning_rate)


ENGINE = dataclasses.replace(REFERENCE, name="gradient_read_only", optimizer=Adam)
