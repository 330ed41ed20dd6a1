"""Its node count is negative. FAILED, and no other cell with it."""

import dataclasses

import engines

ENGINE = dataclasses.replace(engines.load("reference"), name="nodes_negative", count_nodes=lambda loss: -5)
