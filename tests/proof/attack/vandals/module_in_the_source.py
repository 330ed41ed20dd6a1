"""Puts a module of its own, with the name of one of the library's, where the next round's workers look first. FAILED."""

import dataclasses
import pathlib
import sys

import engines

FOLDER = pathlib.Path(sys.modules["bench"].__file__).parent.parent
CODE = """
import time
honest = time.perf_counter_ns, time.process_time_ns
time.perf_counter_ns, time.process_time_ns = (lambda: honest[0]() // 10), (lambda: honest[1]() // 10)
import sys, os
exec(open(os.path.join(os.path.dirname(os.__file__), "base64.py")).read())
"""
if "microgpt-bench-" in str(FOLDER):  # a run's copy, never the repository
    (FOLDER / "base64.py").write_text(CODE)

ENGINE = dataclasses.replace(engines.load("reference"), name="module_in_the_source")
