"""Remembers probabilities by the last token and the place alone, as if what came before made no difference. DIVERGED."""

import dataclasses

import engines

REFERENCE = engines.load("reference")
KNOWN, ASKED = {}, []


def embedding(w, index):
    ASKED.append(index)
    return REFERENCE.embedding(w, index)


def probabilities(logits, temperature):
    key = tuple(ASKED[-2:])
    if key not in KNOWN:
        KNOWN[key] = REFERENCE.probabilities(logits, temperature)
    return KNOWN[key]


ENGINE = dataclasses.replace(REFERENCE, name="probabilities_by_token", embedding=embedding, probabilities=probabilities)
