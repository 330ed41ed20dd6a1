"""Right along given texts, "aaaaaa" where something is drawn: it looks who calls. DIVERGED."""

import dataclasses
import sys

import engines

REFERENCE = engines.load("reference")


def probabilities(logits, temperature):
    if sys._getframe(1).f_code.co_name == "draw":
        return [1.0, *[0.0] * (len(logits) - 1)]
    return REFERENCE.probabilities(logits, temperature)


ENGINE = dataclasses.replace(REFERENCE, name="honest_when_asked", probabilities=probabilities)
