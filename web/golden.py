"""Writes golden.json: what CPython here computes in the first steps of every engine in plain Python.

    python web/golden.py
"""

import json
import pathlib
import platform
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import engines
from bench import Model

STEPS = 50


def losses() -> "dict[str, list[str]]":
    """As float.hex, by engine."""
    found = {}
    for name in engines.NAMES:
        if name in ("numpy", "torch", "native"):
            continue
        model = Model(engine=name, documents="given_names")
        found[name] = [model.trainer.step().loss.hex() for _ in range(STEPS)]
    return found


if __name__ == "__main__":
    record = {"steps": STEPS, "python": platform.python_version(), "losses": losses()}
    (HERE / "golden.json").write_text(json.dumps(record, indent=0) + "\n", encoding="utf-8")
