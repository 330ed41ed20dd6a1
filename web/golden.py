"""Writes golden.json: what CPython here computes in the first steps of every engine in plain Python.

    python3.14 web/golden.py

by the version of CPython that Pyodide is, as engines that round otherwise may do so from version to version.

The browser's C library computes exp, log and pow by the algorithms of glibc, without fused multiply-add: told to leave that
out, glibc on x86-64 gives the same bits. Its sine and cosine are others, by which Python's own generator makes normal
numbers; mulberry32's polar method needs neither.
"""

from __future__ import annotations

import json
import math
import os
import pathlib
import platform
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import engines
import engines.dot_products
from bench import Model

STEPS = 50
OPTIONS = {"rng": "mulberry32"}
OTHERS = ("numpy", "numba", "jax", "torch", "native")  # not in plain Python
engines.dot_products.LONG = math.inf  # as in the browser: how long sums are added, by engines that may add in any order
PLAIN = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-FMA,-FMA4,-AVX2"}


def losses(name: str, steps: int = STEPS) -> list[str]:
    """An engine's, as float.hex."""
    model = Model(engine=name, documents="given_names", **OPTIONS)  # type: ignore[arg-type]
    return [model.trainer.step().loss.hex() for _ in range(steps)]


if __name__ == "__main__":
    if any(os.environ.get(name) != value for name, value in PLAIN.items()):  # read when the process begins
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **PLAIN})
    if len(sys.argv) > 1:  # a few steps of some engines, to hold the file against
        print(json.dumps({name: losses(name, 10) for name in sys.argv[1:]}))
        sys.exit()
    found = {name: losses(name) for name in engines.NAMES if name not in OTHERS}
    record = {"python": platform.python_version(), "steps": STEPS, "options": OPTIONS, "losses": found}
    (HERE / "golden.json").write_text(json.dumps(record, indent=0) + "\n", encoding="utf-8")
