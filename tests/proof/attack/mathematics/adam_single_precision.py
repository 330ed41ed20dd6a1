"""Adam keeps its moments in 32 bits. DIVERGED."""

import array
import dataclasses

import engines

REFERENCE = engines.load("reference")


class Adam(REFERENCE.optimizer):
    def __init__(self, matrices, beta1, beta2, eps):
        super().__init__(matrices, beta1, beta2, eps)
        self.m, self.v = array.array("f", self.m), array.array("f", self.v)


ENGINE = dataclasses.replace(REFERENCE, name="adam_single_precision", optimizer=Adam)
