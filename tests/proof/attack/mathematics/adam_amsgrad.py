"""AMSGrad: the second moment never falls. DIVERGED once one would."""

import dataclasses

import engines

REFERENCE = engines.load("reference")


class Adam(REFERENCE.optimizer):
    def update(self, t, learning_rate):
        before = self.v[:]
        super().update(t, learning_rate)
        self.v[:] = map(max, self.v, before)


ENGINE = dataclasses.replace(REFERENCE, name="adam_amsgrad", optimizer=Adam)
