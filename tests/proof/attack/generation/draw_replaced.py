"""Replaces the function that draws by one that knows the texts it was asked for. FAILED or DIVERGED."""

import dataclasses

import engines
from bench.workload import generation

generation.draw = lambda model, vocabulary, rng, sampling: ("a", [])

ENGINE = dataclasses.replace(engines.load("reference"), name="draw_replaced")
