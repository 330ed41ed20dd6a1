"""What a check found: ``gate.json`` of its run's folder, a row for each cell and for each quantity held beside time."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from bench.host.results import checks, store
from bench.host.results.records import GATE_ANSWER, SCHEMA
from bench.host.results.run import Run
from bench.host.results.table import NOTHING, Table
from bench.host.stats.paired import Ratio
from bench.host.stats.sequential import Gate, Verdict
from bench.host.system.errors import UsageError

TIME_UP, NO_TIME = "the time was up", "slower, but no time was left to confirm it"
COUNT_THRESHOLD = 0.0025  # share of a step's instructions that a changed layout alone may add, and a little more
NOT_HELD = "NOT HELD"


@dataclasses.dataclass(frozen=True)
class Quantity:
    """One that is held: ``share`` and ``floor``, in ``unit``, may be added, the larger of the two.

    ``counted``: no interval is needed. ``about`` says in a few words what it is.
    """

    name: str
    share: float
    floor: float
    unit: str
    about: str
    counted: bool = False

    @property
    def allowed(self) -> str:
        """What may be added, in words."""
        share = f"{self.share * 100:g} %" + (" of a step" if self.name == "waiting" else "")
        return share + (f", or {self.floor:g} {self.unit} if more" if self.floor else "")


@dataclasses.dataclass(frozen=True)
class Hold:
    """What came out for one quantity of a cell: medians ``before`` and ``now`` in its unit, and their ratio.

    ``word``: PASS, INCONCLUSIVE, REGRESSED, or NOT_HELD where one side does not say. ``ratio`` above 1 is better;
    ``allowed`` is the share that may be added here.
    """

    engine: str
    runtime: str
    quantity: str
    word: str
    before: float | None = None
    now: float | None = None
    unit: str = ""
    ratio: Ratio | None = None
    allowed: float | None = None
    reason: str = ""


ANSWER = GATE_ANSWER


@dataclasses.dataclass(frozen=True)
class Row:
    """A cell's line in what the gate reports. ``word``: the verdict, or why there is none; ``against``: in a few words."""

    engine: str
    runtime: str
    word: str
    against: str
    ratio: Ratio | None = None
    claimed: Ratio | None = None
    rounds: int = 0
    parity: str = NOTHING
    reason: str = ""
    instructions: float | None = None  # of what it is held against over its own, in counts
    not_counted: str = ""  # why there are no instructions, where it is this row's own matter
    hold: Hold | None = None  # what else than time the row is about

    @property
    def name(self) -> str:
        """What stands in the table's first column."""
        return self.engine if self.hold is None else f"{self.engine}: {self.hold.quantity}"

    @property
    def shown(self) -> bool:
        """Of what is held beside time, only what is not as it should be has a line in the table."""
        return self.hold is None or self.word not in ("PASS", NOT_HELD)


FAILED = ("REGRESSED", "DIVERGED", "FAILED")
MEASURED = ("PASS", "IMPROVED", "INCONCLUSIVE", "NEW")  # and agreed with the reference


def exit_status(rows: Sequence[Row], strict: bool) -> int:
    """0 pass, new engines that agree among them; 1 a failure; 2 nothing was measured; 3 inconclusive and strict."""
    words = [row.word for row in rows]
    if any(word in FAILED for word in words):
        return 1
    if not any(row.word in MEASURED for row in rows if row.hold is None):
        return 2
    return 3 if strict and "INCONCLUSIVE" in words else 0


def summary(rows: Sequence[Row], strict: bool) -> str:
    """The gate's answer in a line."""
    words = [row.word for row in rows if row.shown]
    counts = ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))
    return {
        0: f"{'no regression found' if 'INCONCLUSIVE' in words else 'PASS'}: {counts}",
        1: f"FAIL: {counts}",
        2: f"FAIL: nothing was measured ({counts})",
        3: f"INCONCLUSIVE: {counts}"
        + (
            "; a longer --budget decides more" if any(row.reason.startswith((TIME_UP, NO_TIME)) for row in rows) else ""
        ),
    }[exit_status(rows, strict)]


def to_json(outcome: Outcome, shown: Table) -> str:
    """The same for programs, with the table as it was ``shown``."""
    rows, strict = outcome.rows, outcome.rules.strict
    answer: dict[str, Any] = {
        "schema": SCHEMA,
        "against": outcome.against,
        "run": str(outcome.run.folder),
        "exit_status": exit_status(rows, strict),
        "summary": summary(rows, strict),
        "gate": dataclasses.asdict(outcome.rules.gate),
        "machine": outcome.run.record.machine,
        "cells": [_fields(row) for row in rows if row.hold is None],
        "held": [dataclasses.asdict(row.hold) for row in rows if row.hold is not None],
        "table": dataclasses.asdict(shown),
    }
    return json.dumps(answer, indent=1, ensure_ascii=False) + "\n"


def _fields(row: Row) -> dict[str, Any]:
    fields = dataclasses.asdict(row)
    del fields["hold"]
    return fields


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a check found, as its run's folder has it."""

    exit_status: int
    table: Table
    against: str = ""
    gate: Gate = dataclasses.field(default_factory=Gate)
    cells: list[Row] = dataclasses.field(default_factory=list)


def answer_of(run: Run) -> Answer | None:
    """What the check that made this run found; None for another run. Raises UsageError."""
    path = run.folder / ANSWER
    if not path.exists():
        return None
    answer = store.read(path, Answer, lambda answer: checks.check_table(answer.table))
    if answer.exit_status not in (0, 1, 2, 3):
        raise UsageError(f"{path} is damaged (its exit_status is {answer.exit_status}): check again, or remove it")
    return answer


def hold_text(hold: Hold) -> str:
    """What was before, what is now, and the difference with its interval, in words."""
    if hold.word == NOT_HELD or hold.before is None or hold.now is None or hold.ratio is None:
        return hold.reason
    name = f"{hold.quantity} " if hold.quantity != hold.unit else ""
    of = " of a step" if hold.quantity == "waiting" else ""
    allowed = "" if hold.allowed is None else f"; {hold.allowed:.3g} allowed"
    change = f"{1 / hold.ratio.value - 1:+.1%}{of}"
    if hold.ratio.low is not None and hold.ratio.high is not None:
        change += f" [{1 / hold.ratio.high - 1:+.1%}, {1 / hold.ratio.low - 1:+.1%}]"
    elif hold.word == Verdict.INCONCLUSIVE:
        change += ", too few rounds to be sure"
    return f"{name}{_amount(hold.before)} {hold.unit} before, {_amount(hold.now)} now: {change}{allowed}"


def _amount(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def hold_lines(holds: Sequence[Hold], quantities: Sequence[Quantity]) -> list[str]:
    """What was held and what not: the lines below the gate's table."""
    judged = {hold.quantity for hold in holds if hold.word != NOT_HELD}
    held = [f"{quantity.name} ({quantity.allowed})" for quantity in quantities if quantity.name in judged]
    worse = {str(Verdict.REGRESSED), str(Verdict.INCONCLUSIVE)} & {hold.word for hold in holds}
    said = [
        f"Other quantities, with the largest increase that passes: {', '.join(held)}: {'see above' if worse else 'all pass'}."
    ]
    missing: dict[str, list[str]] = {}
    for hold in holds:
        if hold.word == NOT_HELD:
            missing.setdefault(hold.reason, []).append(hold.quantity)
    left = [f"Not compared for all: {', '.join(dict.fromkeys(names))}: {reason}" for reason, names in missing.items()]
    return [*(said if held else []), *left]


@dataclasses.dataclass(frozen=True)
class Rules:
    """How it is decided. ``instructions``: counted too, where that says something; ``anyway``: another machine will do."""

    gate: Gate
    quantities: Sequence[Quantity] = ()
    instructions: bool = True
    strict: bool = False
    anyway: bool = False


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came out of a check: a row for each cell and for each quantity held beside time, and by which ``rules``.

    ``notes`` are for the reader of the verdicts.
    """

    run: Run
    rows: list[Row]
    against: str
    rules: Rules
    notes: list[str]

    @property
    def exit_status(self) -> int:
        """As the function says."""
        return exit_status(self.rows, self.rules.strict)
