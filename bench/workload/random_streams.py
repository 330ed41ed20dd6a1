"""Seeded random numbers: Python's own stream, or the one that the JavaScript ports of microgpt.py share."""

from __future__ import annotations

import math
import random
from typing import Any, List, Optional, Sequence, Union

MASK = 0xFFFFFFFF


class Mulberry32:
    """Tommy Ettinger's 32-bit generator mulberry32, and what the JavaScript ports draw by it.

    ``gaussian``: how normal numbers are made, by one of two forms of the method of Box and Muller (1958). ``polar``
    (Marsaglia and Bray 1964) rejects points outside the unit circle and keeps the second number of a pair for the next
    call; ``trigonometric`` takes two draws a number and the cosine only. The methods' names are random.Random's, so
    that either can stand behind a trainer.
    """

    def __init__(self, seed: int, gaussian: str = "polar") -> None:
        self.state = seed & MASK
        self.gaussian = gaussian
        self.spare: Optional[float] = None

    def random(self) -> float:
        """The next number in [0, 1), a multiple of 2⁻³²."""
        self.state = (self.state + 0x6D2B79F5) & MASK
        t = self.state
        t = ((t ^ t >> 15) * (t | 1)) & MASK
        t ^= (t + (t ^ t >> 7) * (t | 61)) & MASK
        return (t ^ t >> 14) / 2**32

    def gauss(self, mean: float = 0.0, deviation: float = 1.0) -> float:
        """A normal number."""
        if self.gaussian == "trigonometric":
            u = 0.0
            while u == 0.0:
                u = self.random()
            return mean + deviation * math.sqrt(-2 * math.log(u)) * math.cos(2 * math.pi * self.random())
        if self.spare is not None:
            normal, self.spare = self.spare, None
            return mean + deviation * normal
        square = 0.0
        while square == 0.0 or square >= 1.0:
            u, v = 2 * self.random() - 1, 2 * self.random() - 1
            square = u * u + v * v
        scale = math.sqrt(-2 * math.log(square) / square)
        self.spare = v * scale
        return mean + deviation * (u * scale)

    def shuffle(self, items: List[Any]) -> None:
        """Fisher and Yates's shuffle in place, from the last item down (Durstenfeld 1964)."""
        for i in range(len(items) - 1, 0, -1):
            j = int(self.random() * (i + 1))
            items[i], items[j] = items[j], items[i]

    def choices(self, population: Sequence[Any], weights: Sequence[float]) -> List[Any]:
        """One item, in a list: where a draw from [0, Σ weights) falls, going through the weights in turn."""
        total = 0.0  # not sum(): its rounding depends on Python's version
        for weight in weights:
            total += weight
        remainder = self.random() * total
        for item, weight in zip(population, weights):
            remainder -= weight
            if remainder <= 0:
                return [item]
        return [population[-1]]


Random = Union[random.Random, Mulberry32]


def seeded(rng: str, seed: int, gaussian: str) -> Random:
    """The random stream of a training run, by the names that Config has."""
    return Mulberry32(seed, gaussian) if rng == "mulberry32" else random.Random(seed)
