"""Five honest texts, then texts of nothing: who compares only the first ones sees nothing. DIVERGED."""

import contextlib
import dataclasses

import engines

FUSED = engines.load("direct_division")
TEXTS = []


@contextlib.contextmanager
def no_graph():
    TEXTS.append(1)
    yield


def probabilities(logits, temperature):
    if 5 < len(TEXTS) <= 20:
        return [*[0.0] * (len(logits) - 1), 1.0]
    return FUSED.probabilities(logits, temperature)


ENGINE = dataclasses.replace(FUSED, name="honest_in_the_first_texts", no_graph=no_graph, probabilities=probabilities)
