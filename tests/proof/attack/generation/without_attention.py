"""Where no graph is wanted, attention is left out: faster, and another model. DIVERGED."""

import contextlib
import dataclasses

import engines

REFERENCE = engines.load("reference")
QUIET = []


@contextlib.contextmanager
def no_graph():
    QUIET.append(True)
    yield
    QUIET.clear()


def attention(q, keys, values, n_head):
    return values[-1] if QUIET else REFERENCE.attention(q, keys, values, n_head)


ENGINE = dataclasses.replace(REFERENCE, name="without_attention", no_graph=no_graph, attention=attention)
