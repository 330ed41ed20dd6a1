"""Its samples are numbers, from a generate of its own. FAILED."""

import dataclasses

import engines
from bench.workload import generation
from bench.workload.trainer import Trainer

Trainer.generate = lambda self, samples, **how: list(range(samples))
generation.draw = lambda model, vocabulary, rng, sampling: (0, [])

ENGINE = dataclasses.replace(engines.load("reference"), name="samples_are_numbers")
