"""Which of several commits, or builds of Python, changed an engine's speed: what `microgpt-bench bisect` found."""

from __future__ import annotations

import dataclasses
import math

from bench.host.results.verdicts import COUNT_THRESHOLD, Row


@dataclasses.dataclass(frozen=True)
class Tried:
    """A candidate and the gate's row for it. ``changed``: whether it has the change; ``sure``: the gate decided that."""

    name: str
    about: str
    row: Row
    changed: bool
    sure: bool
    by: str  # "instructions" or "time"


@dataclasses.dataclass(frozen=True)
class Bisection:
    """``first``: the candidate that brought the change, "" where there is none between ``good`` and ``bad``.

    ``candidates`` were there, and those in ``tried`` were held against another by the gate, the whole change first.
    """

    engine: str
    good: str
    bad: str
    candidates: int
    tried: list[Tried]
    first: str
    about: str

    @property
    def sure(self) -> bool:
        """Whether the gate decided at every step."""
        return all(tried.sure for tried in self.tried)


def is_change(row: Row) -> bool:
    """Whether the gate found that a cell is slower or faster than what it is held against, by counts or by time."""
    return _counted(row) or row.word in ("REGRESSED", "IMPROVED")


def alike(whole: Row, row: Row) -> tuple[bool, bool, str]:
    """Whether a row shows the same change as the ``whole`` one; whether that is decided; by what.

    By instructions where both have them and the whole change shows in them: more than half of it. Else by the gate's verdicts on
    time; where there is none, by which of the two, all of the change or nothing of it, the ratio is nearer to.
    """
    if _counted(whole) and whole.instructions and row.instructions:
        share = math.log(row.instructions) / math.log(whole.instructions)
        return share > 0.5, True, "instructions"
    if row.word == whole.word:
        return True, True, "time"
    if row.word in ("PASS", "REGRESSED", "IMPROVED"):
        return False, True, "time"
    if row.ratio is None or whole.ratio is None:
        return False, False, "time"
    return math.log(row.ratio.value) / math.log(whole.ratio.value) > 0.5, False, "time"


def _counted(row: Row) -> bool:
    return row.instructions is not None and abs(math.log(row.instructions)) > math.log1p(COUNT_THRESHOLD)
