"""Σ aᵢ·bᵢ of two rows of floats: from left to right, or with whatever is fastest."""

import math
import sys


def dot(a, b):
    """Left to right, as the reference adds."""
    total = 0.0
    for ai, bi in zip(a, b):
        total += ai * bi
    return total


sumprod = getattr(math, "sumprod", dot)  # CPython has it from 3.12 on, and it rounds only once
# so many terms are sooner added by sumprod than written out: in CPython 3.15 an expression costs more per term, and on
# WebAssembly, which has no fused multiply-add, sumprod always does
SLOW = sumprod is dot or sys.platform == "emscripten"
LONG = math.inf if SLOW else 32 if sys.version_info < (3, 15) else 16
