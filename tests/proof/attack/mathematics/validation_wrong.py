"""Right in training, wrong where no graph is wanted: the loss of documents that are held out. DIVERGED."""

import contextlib
import dataclasses

import engines

REFERENCE = engines.load("reference")
QUIET = []


@contextlib.contextmanager
def no_graph():
    QUIET.append(True)
    yield
    QUIET.pop()


def mean(losses):
    return REFERENCE.mean(losses) * (1.001 if QUIET else 1)


# without value= it is not evaluated by plain floats
ENGINE = dataclasses.replace(
    REFERENCE,
    name="validation_wrong",
    value=None,
    matrix=lambda rows: REFERENCE.matrix(rows),
    no_graph=no_graph,
    mean=mean,
)
