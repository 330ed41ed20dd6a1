"""An engine that is its own parent, and has a parent nobody knows. Measured like any other."""

import dataclasses

import engines

ENGINE = dataclasses.replace(engines.load("reference"), name="literal_own_parent", parent="literal_own_parent")
