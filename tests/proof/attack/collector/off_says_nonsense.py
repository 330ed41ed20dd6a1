"""Says of the collector what is no choice. FAILED."""

import dataclasses

import engines

ENGINE = dataclasses.replace(engines.load("closures"), name="off_says_nonsense", collector="sometimes\x1b[2J")
