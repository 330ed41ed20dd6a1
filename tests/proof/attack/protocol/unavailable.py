"""Says from the start what it lacks. SKIPPED, with its words in one plain line."""

import dataclasses

import engines

ENGINE = dataclasses.replace(
    engines.load("reference"), name="unavailable", unavailable="it needs a quantum\x1b[31m computer: buy one"
)
