"""A table as it is kept and shown: text, and what stands around it."""

from __future__ import annotations

import dataclasses

NOTHING = "–"


@dataclasses.dataclass(frozen=True)
class Table:
    """A title, column heads and rows of text; what stands above and below it."""

    title: str
    above: list[str]
    headers: list[str]
    rows: list[list[str]]
    below: list[str]
