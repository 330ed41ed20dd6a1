"""Loss and gradients are remembered by document alone, wherever a step has been repeated: unpaid, or DIVERGED."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import _whole_step as whole

KNOWN = {}


def step(tokens):
    if tuple(tokens) not in KNOWN:
        KNOWN[tuple(tokens)] = whole.step(tokens)
    return KNOWN[tuple(tokens)]


ENGINE = whole.engine("step_by_document", step)
