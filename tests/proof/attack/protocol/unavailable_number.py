"""Says a number where it should say what it lacks. SKIPPED or FAILED."""

import dataclasses

import engines

ENGINE = dataclasses.replace(engines.load("reference"), name="unavailable_number", unavailable=42)
