"""The scalar optimizations as switches of one engine family: which there are, and which go together.

A combination is the tuple of the switches that are on, in this order. With none on it is the reference; with one on, that
switch's own engine, where there is one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

Combination = tuple[str, ...]

SWITCHES = {
    "unslotted": "no __slots__: a node's attributes in a dictionary",
    "iterative": "an explicit stack instead of recursion",
    "tape": "creation order instead of a sort",
    "closures": "a _backward closure a node instead of stored local gradients",
    "direct_division": "a / b is one node",
    "fused_cross_entropy": "cross-entropy is one node",
    "no_phantom_zero": "sums start from their first term",
    "fused_dot": "one n-ary node per dot product",
    "plain_constants": "a constant operand makes no node",
    "float_constants": "0.0 and 1.0 for the ints of gradients and local gradients",
    "grouped_adam": "Adam's update in passes, one kind of number at a time",
}
EXCLUDED = {
    ("iterative", "tape"): "a tape is in order: there is no sort to write another way",
    ("tape", "closures"): "either one is the way back through the graph: numbers on a tape, or calls",
}
ROUNDS = {"tape", "direct_division", "fused_cross_entropy"}  # anew, or in another order: the last bits differ


def legal(switches: Iterable[str]) -> bool:
    """Whether no two of them exclude one another."""
    chosen = set(switches)
    return not any(chosen.issuperset(pair) for pair in EXCLUDED)


def combinations(switches: Sequence[str] = tuple(SWITCHES)) -> list[Combination]:
    """Every legal combination of these switches, those of few switches first."""
    return [
        chosen
        for size in range(len(switches) + 1)
        for chosen in itertools.combinations(switches, size)
        if legal(chosen)
    ]


def pairs(switches: Sequence[str] = tuple(SWITCHES)) -> list[Combination]:
    """Any two switches that go together."""
    return [pair for pair in itertools.combinations(switches, 2) if legal(pair)]


def name(combination: Iterable[str]) -> str:
    """Of its engine, its file and its row: base+fused_dot+tape, for one."""
    return "+".join(["base", *combination])


def parse(row: str) -> Combination:
    """The combination of a row's name. Raises ValueError where it is none."""
    base, *chosen = row.split("+")
    combination = tuple(switch for switch in SWITCHES if switch in chosen)
    if base != "base" or len(combination) != len(chosen) or not legal(combination):
        raise ValueError(f"{row!r:.200} names no combination of switches")
    return combination
