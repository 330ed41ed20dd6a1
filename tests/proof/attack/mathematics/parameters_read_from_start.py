"""read_values tells the weights that training began with. DIVERGED by the final parameters."""

import dataclasses

import engines

REFERENCE = engines.load("reference")
FIRST = {}


def matrix(rows):
    made = REFERENCE.matrix(rows)
    FIRST[id(made)] = rows
    return made


ENGINE = dataclasses.replace(
    REFERENCE, name="parameters_read_from_start", matrix=matrix, read_values=lambda matrix: FIRST[id(matrix)]
)
