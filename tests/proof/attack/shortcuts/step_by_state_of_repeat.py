"""A repeat is recognised by restore(); its whole result, update included, is put back from memory. Not believed."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import _whole_step as whole

REPEAT, RESULT = [False], {}


class Adam(whole.REFERENCE.optimizer):
    def update(self, t, learning_rate):
        if REPEAT[0]:
            for p, x in zip(self.parameters, RESULT["after"][0]):
                p.data, p.grad = x, 0
            self.m, self.v = RESULT["after"][1][:], RESULT["after"][2][:]
        else:
            super().update(t, learning_rate)
            RESULT["after"] = self.snapshot()

    def snapshot(self):
        REPEAT[0] = False
        return super().snapshot()

    def restore(self, snapshot):
        REPEAT[0] = True
        super().restore(snapshot)


def step(tokens):
    if not REPEAT[0]:
        RESULT["step"] = whole.step(tokens)
    return RESULT["step"][0], RESULT["step"][1] if not REPEAT[0] else []


ENGINE = whole.engine("step_by_state_of_repeat", step, optimizer=Adam)
