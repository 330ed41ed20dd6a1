"""Its node count is None. FAILED, and no other cell with it."""

import dataclasses

import engines

ENGINE = dataclasses.replace(engines.load("reference"), name="nodes_none", count_nodes=lambda loss: None)
