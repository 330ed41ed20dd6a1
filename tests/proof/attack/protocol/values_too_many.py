"""read_values gives a row too many. FAILED or DIVERGED."""

import dataclasses

import engines

REFERENCE = engines.load("reference")
ENGINE = dataclasses.replace(
    REFERENCE, name="values_too_many", read_values=lambda matrix: REFERENCE.read_values([*matrix, matrix[0]])
)
