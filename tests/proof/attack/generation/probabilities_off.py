"""One probability is off by 10⁻⁶: the same samples, most likely. DIVERGED."""

import dataclasses

import engines

REFERENCE = engines.load("reference")


def probabilities(logits, temperature):
    first, second, *rest = REFERENCE.probabilities(logits, temperature)
    return [first + 1e-6, second - 1e-6, *rest]


ENGINE = dataclasses.replace(REFERENCE, name="probabilities_off", probabilities=probabilities)
