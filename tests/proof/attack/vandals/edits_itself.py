"""Edits its own file in the first round: the second would measure something else. FAILED, or measured as it was."""

import dataclasses
import pathlib

import engines

FILE = pathlib.Path(__file__)
WRONG = "import sys; sys.exit('edited')"
if "microgpt-bench-" in str(FILE):  # a run's copy, never the repository
    FILE.write_text(WRONG)


ENGINE = dataclasses.replace(engines.load("reference"), name="edits_itself")
