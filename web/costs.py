"""What some operations on floats cost, in ns each: python web/costs.py, and on WebAssembly node web/python.mjs web/costs.py.

The smallest of some runs, so that a busy machine matters little; to be compared with one another, and between the two.
"""

from __future__ import annotations

import math
import sys
import timeit

WIDTH, ROWS = 16, 64
NAMES = [f"v{i}" for i in range(WIDTH)]
ROW = f"({', '.join(NAMES)})"
COSTS = {  # what it is: of the numbers of a row, one expression each; or of a whole row
    "a number kept": ("v", "{}"),
    "a multiplication": ("v", "2.0 * {}"),
    "a division": ("v", "2.0 / {}"),
    "v ** 0.5": ("v", "{} ** 0.5"),
    "math.sqrt(v)": ("v", "sqrt({})"),
    "math.exp(v)": ("v", "exp({})"),
    "a term of a sum, written out": ("row", " + ".join(f"{v} * {v}" for v in NAMES)),
    "a term of math.sumprod": ("row", f"sumprod({ROW}, {ROW})"),
}


def cost(kind: str, text: str) -> float:
    """Nanoseconds for each number of the rows."""
    result = text if kind == "row" else f"({', '.join(map(text.format, NAMES))})"
    known = {"exp": math.exp, "sqrt": math.sqrt, "sumprod": getattr(math, "sumprod", None), "rows": rows()}
    timer = timeit.Timer("f(rows)", f"def f(rows):\n    return [{result} for {ROW} in rows]", globals=known)
    return min(timer.repeat(15, 20)) / 20 / ROWS / WIDTH * 1e9


def rows() -> list[tuple[float, ...]]:
    """Numbers from 1 to 2."""
    return [tuple(1 + (i * WIDTH + j) / (ROWS * WIDTH) for j in range(WIDTH)) for i in range(ROWS)]


if __name__ == "__main__":
    print(sys.version)
    for name, (kind, text) in COSTS.items():
        if "sumprod" not in text or hasattr(math, "sumprod"):
            print(f"{name:30}{cost(kind, text):8.1f}")
