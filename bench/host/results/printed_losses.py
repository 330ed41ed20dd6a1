"""Losses as another program prints them: to how many digits they can be compared."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

MOST_TOLERANCE = 1e-4  # nats: float32 rounds losses by less, over a training run
TIE = 1e-9  # a loss this near to the middle between two printed numbers may be printed as either
MOST_DIGITS = 8  # behind the point: what TIE leaves to prove, however many are printed
# Losses of a model that has hardly learnt lie near log(vocabulary): one digit would prove nothing of a program that
# prints that number all the time.
FEWEST_DIGITS = 2
LOSS = re.compile(r"[+-]?(?:\d+\.?(\d*)|\.(\d+))(?:e([+-]?\d{1,9}))?", re.ASCII | re.IGNORECASE)
NO_NUMBER = re.compile(r"[+-]?(?:nan|inf|infinity)", re.ASCII | re.IGNORECASE)


def agrees(printed: str, expected: float, tolerance: float = 0.0) -> bool:
    """Whether a printed loss is this one, to the digits printed and, beyond these, within ``tolerance``.

    Raises ValueError where it is no number.
    """
    digits = decimals(printed)
    value = float(printed)
    return math.isfinite(value) and abs(value - expected) <= 0.5 * 10.0**-digits + max(TIE, tolerance)


def decimals(printed: str) -> int:
    """How many digits behind the point a printed number can prove: 4 for 3.2326, as for 3.23e-2; from 0 to MOST_DIGITS.

    NaN and infinity have none. Raises ValueError where it is no number, which to Python's float some more things are.
    """
    if NO_NUMBER.fullmatch(printed):
        return 0
    match = LOSS.fullmatch(printed)
    if match is None:
        raise ValueError(f"{printed!r} is no number")
    return min(MOST_DIGITS, max(0, len(match[1] or match[2] or "") - int(match[3] or 0)))


def digits_of(losses: Sequence[str]) -> tuple[int, int]:
    """To how many digits behind the point at least half of the printed losses go, and how many of them to fewer.

    Many programs leave zeros at the end out: 3.2 may be rounded to four digits.
    """
    each = sorted((decimals(loss) for loss in losses), reverse=True)
    typical = each[len(each) // 2]
    return typical, sum(digits < typical for digits in each)
