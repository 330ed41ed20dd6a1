"""Only the gradients of the last step are wrong, after which no loss follows. DIVERGED by the final parameters."""

import dataclasses

import engines

REFERENCE = engines.load("reference")


class Adam(REFERENCE.optimizer):
    def update(self, t, learning_rate):
        if t == 3:
            for p in self.parameters:
                p.grad *= 1.001
        super().update(t, learning_rate)


ENGINE = dataclasses.replace(REFERENCE, name="gradient_last_step", optimizer=Adam)
