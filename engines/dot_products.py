"""Σ aᵢ·bᵢ of two rows of floats: from left to right, or with whatever is fastest."""

import math


def dot(a, b):
    """Left to right, as the reference adds."""
    total = 0.0
    for ai, bi in zip(a, b):
        total += ai * bi
    return total


sumprod = getattr(math, "sumprod", dot)  # CPython has it from 3.12 on, and it rounds only once
LONG = math.inf if sumprod is dot else 16  # so many terms are sooner added by sumprod than written out
