"""One of the final parameters is not a number. DIVERGED."""

import dataclasses

import engines

ENGINE = dataclasses.replace(
    engines.load("reference"),
    name="parameters_nan",
    read_values=lambda matrix: [[float("nan"), *[p.data for p in row[1:]]] for row in matrix],
)
