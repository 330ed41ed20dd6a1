"""The table of the engines that there are."""

from __future__ import annotations

import engines
from bench.host.results.table import Table


def table() -> Table:
    """A row for each engine: its parent, the parity it promises, what it is, and why it can't run in this interpreter."""
    rows = []
    for name in engines.NAMES:
        engine = engines.load(name)
        rows.append([name, engine.parent or "", engine.parity.value, engine.summary, engine.unavailable or "yes"])
    return Table("Engines", [], ["name", "parent", "parity", "summary", "available here"], rows, [])
