"""Remembers the probabilities of the first text and gives them for all: nothing is computed any more. DIVERGED."""

import contextlib
import dataclasses

import engines

REFERENCE = engines.load("reference")
KNOWN, PLACE = [], []


@contextlib.contextmanager
def no_graph():
    PLACE[:] = [0]
    yield


def probabilities(logits, temperature):
    if PLACE[0] == len(KNOWN):
        KNOWN.append(REFERENCE.probabilities(logits, temperature))
    PLACE[0] += 1
    return KNOWN[PLACE[0] - 1]


ENGINE = dataclasses.replace(
    REFERENCE, name="probabilities_of_the_first_text", no_graph=no_graph, probabilities=probabilities
)
