"""Its node count is a text. FAILED, and no other cell with it."""

import dataclasses

import engines

ENGINE = dataclasses.replace(engines.load("reference"), name="nodes_text", count_nodes=lambda loss: "many")
