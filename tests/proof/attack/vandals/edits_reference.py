"""Edits the reference's source in the first round: from the second on it would sleep. FAILED."""

import dataclasses
import pathlib
import sys

import engines

FILE = pathlib.Path(sys.modules["engines"].__file__).parent / "reference.py"
if "microgpt-bench-" in str(FILE):  # a run\'s copy, never the repository
    FILE.write_text(FILE.read_text().replace("        topo = []", "        sum(range(1_000_000))\n        topo = []"))


ENGINE = dataclasses.replace(engines.load("reference"), name="edits_reference")
