"""Each token has the embedding of the one after it. DIVERGED."""

import dataclasses

import engines

ENGINE = dataclasses.replace(
    engines.load("reference"), name="embedding_next_row", embedding=lambda w, index: w[(index + 1) % len(w)]
)
