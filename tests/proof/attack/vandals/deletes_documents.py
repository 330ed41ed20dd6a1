"""Deletes the documents' file when it is imported. No other cell may suffer without being told."""

import dataclasses
import pathlib
import sys

import engines

frame = sys._getframe()
while "order" not in frame.f_locals:
    frame = frame.f_back
FILE = pathlib.Path(frame.f_locals["order"]["documents"])
if "microgpt-bench-" in str(FILE):  # a run's copy, never the user's own
    FILE.unlink(missing_ok=True)


ENGINE = dataclasses.replace(engines.load("reference"), name="deletes_documents")
