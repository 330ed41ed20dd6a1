"""Its node count is True. FAILED, and no other cell with it."""

import dataclasses

import engines

ENGINE = dataclasses.replace(engines.load("reference"), name="nodes_bool", count_nodes=lambda loss: True)
