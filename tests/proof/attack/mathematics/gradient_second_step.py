"""Gradients are right at the first step and 0.1 % too large from the second on. DIVERGED."""

import dataclasses

import engines

REFERENCE = engines.load("reference")


class Adam(REFERENCE.optimizer):
    def update(self, t, learning_rate):
        if t > 1:
            for p in self.parameters:
                p.grad *= 1.001
        super().update(t, learning_rate)


ENGINE = dataclasses.replace(REFERENCE, name="gradient_second_step", optimizer=Adam)
