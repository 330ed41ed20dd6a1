"""What a machine of a pool is to measure: one round."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from bench.host.measure.cell import CellState
from bench.host.results.records import Cell, RoundRecord


@dataclasses.dataclass(frozen=True)
class Order:
    """A round: its ``number`` in the plan, by which its turns are shuffled, and its ``cells``; the rest as `Round` has it.

    ``references``: what references said on this machine before, {} where it is to say it now, None where every round proves its
    own cells. ``seconds``: until it is left out, None for never. ``burn``: a process keeps another core busy meanwhile.
    """

    number: int
    cells: Sequence[Cell]
    samples: int = 0
    nodes: bool = False
    references: Mapping[Cell, CellState] | None = None
    seconds: float | None = None
    burn: bool = False


@dataclasses.dataclass(frozen=True)
class Answer:
    """What came of an order. ``record``: None where the time was over; ``extra``: seconds for its samples and nodes."""

    record: RoundRecord | None
    engines: Mapping[str, Mapping[str, Any]]
    lines: Sequence[str]
    extra: float
    references: Mapping[Cell, CellState]
