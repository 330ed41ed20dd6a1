"""Draws twenty texts of nothing, and is honest in whatever it is asked for after them. DIVERGED."""

import contextlib
import dataclasses

import engines

REFERENCE = engines.load("reference")
TEXTS = []


@contextlib.contextmanager
def no_graph():
    TEXTS.append(1)
    yield


def probabilities(logits, temperature):
    if len(TEXTS) <= 20:
        return [*[0.0] * (len(logits) - 1), 1.0]
    return REFERENCE.probabilities(logits, temperature)


ENGINE = dataclasses.replace(REFERENCE, name="honest_after_twenty", no_graph=no_graph, probabilities=probabilities)
