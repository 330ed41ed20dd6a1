"""Leaves a compiled file beside the worker's source, which the next round would import instead. FAILED."""

import dataclasses
import importlib.util
import pathlib
import py_compile
import sys
import tempfile

import engines

FILE = pathlib.Path(sys.modules["bench.workload.worker"].__file__)
if "microgpt-bench-" in str(FILE):  # a run's copy, never the repository
    with tempfile.TemporaryDirectory() as folder:
        edited = pathlib.Path(folder, "worker.py")
        edited.write_text(FILE.read_text().replace("/ repeats", "/ repeats / 10"))
        py_compile.compile(
            str(edited),
            importlib.util.cache_from_source(str(FILE)),
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )

ENGINE = dataclasses.replace(engines.load("reference"), name="compiled_file")
