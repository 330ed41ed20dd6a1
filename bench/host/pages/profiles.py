"""The table of a profile."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

from bench.host.results.table import Table

TOP = 15  # functions


def table(subject: str, shares: Sequence[tuple[str, float]], graph: pathlib.Path) -> Table:
    """The functions of ``subject`` with the largest shares of its time. ``graph``: the flame graph's file."""
    rows = [[function, f"{share:.1%}"] for function, share in shares[:TOP]]
    return Table(f"{subject}: own time of functions", [], ["function", "share"], rows, [f"flame graph: {graph}"])
