"""Shortens the documents' file when it is imported: whoever starts later trains on less. FAILED, and nobody else."""

import dataclasses
import pathlib
import sys

import engines

frame = sys._getframe()
while "order" not in frame.f_locals:
    frame = frame.f_back
FILE = pathlib.Path(frame.f_locals["order"]["documents"])
if "microgpt-bench-" in str(FILE):  # a run's copy, never the user's own
    FILE.write_text("ab\n")


ENGINE = dataclasses.replace(engines.load("reference"), name="edits_documents")
