"""Its node count is not a number. FAILED, and no other cell with it."""

import dataclasses

import engines

ENGINE = dataclasses.replace(engines.load("reference"), name="nodes_nan", count_nodes=lambda loss: float("nan"))
