"""Writes and compiles its source when it first sees a length: its first visits are much slower than the later ones."""

import dataclasses

import engines

KNOWN = {}


def linear(x, w):
    length = len(x)
    if length not in KNOWN:
        names = {}
        for _ in range(50):  # as if it were a long source
            terms = " + ".join(f"r[{i}] * x[{i}]" for i in range(length))
            exec(f"def linear(x, w):\n    return [0 + {terms} for r in w]\n", names)
        KNOWN[length] = names["linear"]
    return KNOWN[length](x, w)


ENGINE = dataclasses.replace(engines.load("reference"), name="compiles_at_first_use", linear=linear)
