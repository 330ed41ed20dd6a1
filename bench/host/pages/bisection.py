"""The table of a search for the commit, or the build, that changed an engine's speed."""

from __future__ import annotations

from bench.host.pages.wording import ratio_text
from bench.host.results.bisection import Bisection
from bench.host.results.table import NOTHING, Table


def table(found: Bisection) -> Table:
    """A row for each step, and the answer below."""
    rows = [
        [
            tried.name,
            tried.about,
            tried.row.word,
            NOTHING if tried.row.ratio is None else ratio_text(tried.row.ratio),
            NOTHING if tried.row.instructions is None else f"{tried.row.instructions:.4f}",
            ("yes" if tried.changed else "no") + ("" if tried.sure else " (undecided: the nearer)"),
        ]
        for tried in found.tried
    ]
    if found.first:
        answer = f"the change came with {found.first} {found.about}"
        answer += "" if found.sure else "; not every step was decided: a longer --budget decides more"
    elif not found.sure:
        answer = "undecided whether there is a change at all: a longer --budget decides more"
    else:
        answer = (
            f"the gate finds no change of {found.engine} from {found.good} to {found.bad}: there is nothing to search"
        )
    return Table(
        f"{found.engine} from {found.good} to {found.bad}",
        [f"{found.candidates} candidates. speed, instructions: over what it was held against, above 1 is faster."],
        ["step", "what it is", "verdict", "speed", "instructions", "has the change"],
        rows,
        [answer],
    )
