"""Only the first four positions are trained on: cheaper for long documents. DIVERGED."""

import dataclasses

import engines

REFERENCE = engines.load("reference")
ENGINE = dataclasses.replace(REFERENCE, name="mean_first_four", mean=lambda losses: REFERENCE.mean(losses[:4]))
