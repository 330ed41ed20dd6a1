"""Its node count has 400 digits. FAILED, and no other cell with it."""

import dataclasses

import engines

ENGINE = dataclasses.replace(engines.load("reference"), name="nodes_huge", count_nodes=lambda loss: 10**400)
