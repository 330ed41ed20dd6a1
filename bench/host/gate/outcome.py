"""`microgpt-bench check`: what to hold today's engines against, and what CI sees of the verdicts."""

from __future__ import annotations

import dataclasses
import io
import json
import math
from collections.abc import Sequence
from typing import Any

from junitparser import Failure, JUnitXml, Skipped, TestCase, TestSuite

from bench.host.gate import holds
from bench.host.gate.decide import COUNT_THRESHOLD, NO_TIME, TIME_UP, Held, Judgement
from bench.host.gate.holds import NOT_HELD, Hold, Quantity
from bench.host.measure import revision
from bench.host.measure.plan import REFERENCE, Before, Plan
from bench.host.measure.round import OTHER_WORKER
from bench.host.pages import tables
from bench.host.pages.tables import NOTHING, Table
from bench.host.results import store, suspicion, validity
from bench.host.results.parity import Parity
from bench.host.results.records import GATE_ANSWER, SCHEMA, Cell, RunRecord
from bench.host.results.run import Run
from bench.host.stats.paired import Ratio, paired_ratio
from bench.host.stats.sequential import Gate
from bench.host.system import machine
from bench.host.system.errors import UsageError
from bench.host.system.interpreters import ROOT

ANSWER = GATE_ANSWER
CLAIMS = ROOT / "results" / "default"  # the committed run whose headline stands in the README


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
STATUS = {"skipped": "SKIPPED", "diverged": "DIVERGED", "failed": "FAILED"}  # of a cell that has no verdict


# --------------------------------------------------------------------- what to hold against


def against_revision(plan: Plan, before: Before) -> tuple[list[Held], list[Row]]:
    """Each engine beside itself at the revision; and a row for each that is new, or not there any more."""
    helds, left, label = [], [], before.label
    why = "there is no earlier commit" if label == revision.FIRST else f"{label} has no engine {{}}"
    for runtime in plan.runtimes:
        for engine, other in before.held.items():
            helds.append(Held((engine, runtime.name), (other, runtime.name)))
        for engine in before.new:
            left.append(Row(engine, runtime.name, "NEW", label, reason=why.format(engine)))
        for engine in before.removed:
            left.append(Row(engine, runtime.name, "REMOVED", label, reason=f"{label} has it, and it is gone since"))
    return helds, left


def against_python(plan: Plan, base: str) -> list[Held]:
    """Each engine on each runtime beside itself on the runtime ``base``."""
    return [Held((engine, runtime), (engine, base)) for engine, runtime in plan.cells if runtime != base]


def asked_for(helds: list[Held], engine_names: Sequence[str]) -> list[Held]:
    """Without the reference where it is here only to prove the others by: it is the slowest, and would take the time."""
    if not engine_names or REFERENCE in engine_names:
        return helds
    return [held for held in helds if held.cell[0] != REFERENCE]


def against_run(
    plan: Plan, mine: RunRecord, baseline: Run, anyway: bool, all_builtin: bool = False
) -> tuple[list[Held], list[Row], list[str]]:
    """Each engine's speed over the reference, held against the interval that it had in ``baseline``.

    Also rows for engines that ``baseline`` lacks, or, where ``all_builtin`` ones are measured, had beyond them; and lines about what is not like with like. Raises UsageError where
    the two have no runtime in common, or differ in the workload, or (unless ``anyway``) in machine or build.
    """
    helds, left, notes = [], [], []
    theirs, what = baseline.record, baseline.folder.name
    if (mine.workload.sha256, mine.workload.config) != (theirs.workload.sha256, theirs.workload.config):
        raise UsageError(f"{what} was measured on another workload: give this one the same --data and sizes")
    if mine.plan.steps != theirs.plan.steps or mine.plan.gc != theirs.plan.gc:
        raise UsageError(f"{what} has {theirs.plan.steps} steps a round and --gc {theirs.plan.gc}: measure the same")
    shared = [name for name in mine.runtimes if name in theirs.runtimes]
    if not shared:
        raise UsageError(
            f"{what} has no runtime {', '.join(mine.runtimes)}, only {', '.join(theirs.runtimes)}: choose with --python"
        )
    if mine.machine["identity"] != theirs.machine["identity"]:
        notes.append(f"NOT LIKE WITH LIKE: {what} was measured on another machine ({theirs.machine['cpu']})")
    for name in shared:
        if mine.runtimes[name].described["build"] != theirs.runtimes[name].described["build"]:
            notes.append(f"NOT LIKE WITH LIKE: {name} is another build in {what}")
    if notes and not anyway:
        raise UsageError(f"{notes[0].partition(': ')[2]}: compare all the same with --anyway, or use --against REV")
    for engine, runtime in plan.cells:
        if engine == REFERENCE:
            continue
        claim = speedup(baseline, (engine, runtime)) if runtime in shared and engine in theirs.engines else None
        if claim is None or claim.low is None or claim.high is None:
            left.append(Row(engine, runtime, "NEW", what, reason=f"{what} has no speed of {engine} on {runtime}"))
        else:
            promised = theirs.engines[engine].parity
            helds.append(Held((engine, runtime), (REFERENCE, runtime), claim.low, claim.high, not notes, promised))
    # neither another one's file nor a row of a revision is an engine that was removed from here
    gone = [
        name
        for name, about in theirs.engines.items()
        if name not in plan.engines and not about.path and "@" not in name
    ]
    if all_builtin:
        left += [
            Row(name, runtime, "REMOVED", what, reason=f"{what} has it, and it is gone since")
            for runtime in shared
            for name in gone
        ]
    return helds, left, notes


def speedup(run: Run, cell: Cell) -> Ratio | None:
    """A cell's speed over the reference in a run; None where it has none."""
    reference = (REFERENCE, cell[1])
    if run.status(cell)[0] != "ok" or run.status(reference)[0] != "ok":
        return None
    return paired_ratio(*run.pair(reference, cell))


# --------------------------------------------------------------------- what came out


def rows(judgements: Sequence[Judgement], run: Run, against: str, held_too: Sequence[Hold] = ()) -> list[Row]:
    """A row for each judgement, with ``held_too`` what came out for the other quantities."""
    found = []
    waits = {(hold.engine, hold.runtime) for hold in held_too if (hold.quantity, hold.word) == ("waiting", "REGRESSED")}
    for judgement in judgements:
        (engine, runtime), held = judgement.held.cell, judgement.held
        word, reason = _word(judgement, run, against)
        if word in ("PASS", "IMPROVED") and (why := _suspicious(run, held, held.cell in waits)):
            word, reason = "INCONCLUSIVE", why
        finding = run.finding((engine, runtime))
        parity = NOTHING if finding is None else tables.parity_text(finding)
        reason_count = _counted(judgement.instructions)
        if reason_count and word in ("PASS", "INCONCLUSIVE"):
            word = "REGRESSED"
        reason = "; ".join(part for part in (reason_count, reason) if part)
        claimed = None if held.low == held.high == 1 else Ratio((held.low * held.high) ** 0.5, held.low, held.high, 0)
        found.append(
            Row(
                engine,
                runtime,
                word,
                against,
                judgement.ratio,
                claimed,
                judgement.rounds,
                parity,
                reason,
                judgement.instructions,
                judgement.not_counted,
            )
        )
    return found


def held_too(
    judgements: Sequence[Judgement], run: Run, quantities: Sequence[Quantity], gate: Gate, earlier: Run | None = None
) -> list[Hold]:
    """What came out for the other quantities, of what was timed; ``earlier``: the run that this one is held against."""
    found: list[Hold] = []
    for judgement in judgements:
        cell, baseline = judgement.held.cell, judgement.held.baseline
        if judgement.status != "ok":
            continue
        if earlier is not None:
            baseline = cell
        # the memory of another machine or build is not this one's
        fitting = [one for one in quantities if one.name != "memory" or judgement.held.expected]
        found += holds.judge_all(run, [(cell, baseline)], fitting, gate, earlier)
    return found


def held_rows(found: Sequence[Hold], against: str) -> list[Row]:
    """A row for each quantity that was held beside time."""
    return [
        Row(
            *(hold.engine, hold.runtime, hold.word, against),
            ratio=hold.ratio,
            rounds=0 if hold.ratio is None else hold.ratio.rounds,
            reason=holds.text(hold),
            hold=hold,
        )
        for hold in found
    ]


def _word(judgement: Judgement, run: Run, against: str) -> tuple[str, str]:
    """The word of a judgement's row and the reason: its verdict, unless the engine broke, or has nothing beside it."""
    held = judgement.held
    (own, why), (other, _) = run.status(held.cell), run.status(held.baseline)
    reason = judgement.reason or why  # it may have broken after its verdict, while others had none
    if own == "ok" and held.cell in run.broken_promises():
        return "FAILED", f"broke its promise: {run.record.engines[held.cell[0]].parity}"
    if own == "ok" and judgement.status != "ok":
        # no failure of this engine, which was proven as a new one is; but where the two can't be told apart from a
        # worker that does not know the orders, nothing was measured
        return "SKIPPED" if OTHER_WORKER in reason else "NEW", reason
    if own == "skipped" and other == "ok" and held.expected:
        return "FAILED", f"{against} could run it: {reason}"
    if own != "ok":
        return STATUS[own], reason
    return str(judgement.verdict), "; ".join(part for part in (reason, _weaker_promise(held, run, against)) if part)


def _suspicious(run: Run, held: Held, waits: bool) -> str:
    """Why a good verdict on a cell's time is not to be believed; empty where it is."""
    if why := run.waits(held.cell):
        return why
    if waits:
        return "it waits longer than before, which processor time does not show"
    fast = suspicion.too_fast(run.of(held.cell))
    return fast if fast and not suspicion.too_fast(run.of(held.baseline)) else ""


def _weaker_promise(held: Held, run: Run, against: str) -> str:
    """A line where the engine promises less than what it is held against: a change that may be meant, so no failure."""
    now, before = run.record.engines[held.cell[0]], run.record.engines[held.baseline[0]]
    promised = held.promised or (before.parity if before.summary else "")
    if (promised, now.parity) == (str(Parity.BIT_IDENTICAL), str(Parity.ROUNDING)):
        return f"promises {now.parity}, and {promised} at {against}"
    return ""


def new_rows(left: Sequence[Row], run: Run) -> list[Row]:
    """The rows of what is held against nothing, with what the first round found: wrong is wrong, if it is new or not."""
    found = []
    for row in left:
        if row.word == "REMOVED":
            found.append(row)
            continue
        cell = (row.engine, row.runtime)
        (status, reason), finding = run.status(cell), run.finding(cell)
        if status == "ok" and cell in run.broken_promises():
            status, reason = "failed", f"broke its promise: {run.record.engines[row.engine].parity}"
        word = row.word if status == "ok" else STATUS[status]
        parity = NOTHING if finding is None else tables.parity_text(finding)
        found.append(
            dataclasses.replace(row, word=word, reason=reason or row.reason, rounds=len(run.of(cell)), parity=parity)
        )
    return found


def _counted(instructions: float | None) -> str:
    """What an exact count has against a cell, or nothing."""
    if instructions is None or instructions >= 1 / (1 + COUNT_THRESHOLD):
        return ""
    return f"takes {1 / instructions - 1:.2%} more instructions a step"


def exit_status(found: Sequence[Row], strict: bool) -> int:
    """0 pass, new engines that agree among them; 1 a failure; 2 nothing was measured; 3 inconclusive and strict."""
    words = [row.word for row in found]
    if any(word in FAILED for word in words):
        return 1
    if not any(row.word in MEASURED for row in found if row.hold is None):
        return 2
    return 3 if strict and "INCONCLUSIVE" in words else 0


def summary(found: Sequence[Row], strict: bool) -> str:
    """The gate's answer in a line."""
    words = [row.word for row in found if row.shown]
    counts = ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))
    return {
        0: f"{'no regression found' if 'INCONCLUSIVE' in words else 'PASS'}: {counts}",
        1: f"FAIL: {counts}",
        2: f"FAIL: nothing was measured ({counts})",
        3: f"INCONCLUSIVE: {counts}"
        + ("; more --budget decides more" if any(row.reason in (TIME_UP, NO_TIME) for row in found) else ""),
    }[exit_status(found, strict)]


def table(
    found: Sequence[Row],
    gate: Gate,
    run: Run,
    against: str,
    notes: Sequence[str],
    strict: bool,
    quantities: Sequence[Quantity] = (),
) -> Table:
    """The gate's table: a row for each cell, and for what else of it became worse; what fails first."""
    one_runtime = len({row.runtime for row in found}) == 1
    claims = any(row.claimed for row in found)
    counts = any(row.instructions or row.not_counted for row in found)
    order = [*FAILED, "INCONCLUSIVE", "IMPROVED", "PASS", "NEW", "REMOVED", "SKIPPED"]
    lines, below = [], []
    for row in sorted((row for row in found if row.shown), key=lambda row: order.index(row.word)):
        ratio = NOTHING if row.ratio is None else _ratio(row.ratio)
        claimed = [] if not claims else [NOTHING if row.claimed is None else _interval(row.claimed, "{} to {}")]
        counted = [] if not counts else ["not counted" if row.not_counted else _change(row.instructions)]
        where = [] if one_runtime else [row.runtime.removeprefix("cpython-")]
        lines.append([row.name, *where, row.word, ratio, *claimed, str(row.rounds), *counted, row.parity])
        if row.reason:
            below.append(f"{row.name} on {row.runtime}: {row.reason}")
        if row.not_counted:
            below.append(f"{row.name} on {row.runtime}: instructions not counted: {row.not_counted}")
    what = "speed over the reference" if claims else f"speed over {against}"
    threshold = f"{gate.threshold * 100:g} %"
    return Table(
        title=f"Against {against}" + (f" on {found[0].runtime}" if one_runtime and found else ""),
        above=[*notes, summary(found, strict)],
        headers=[
            "engine",
            *([] if one_runtime else ["runtime"]),
            "verdict",
            what,
            *(["held against"] if claims else []),
            "rounds",
            *(["instructions"] if counts else []),
            "parity",
        ],
        rows=lines,
        below=[
            *below,
            f"REGRESSED: all of the interval ({gate.look_confidence:.2%} sure) is more than {threshold} slower than what it is",
            "held against, and a fresh batch of rounds found the same. PASS: all of it is at most that much slower.",
            *holds.lines([row.hold for row in found if row.hold is not None], quantities),
            *(
                [
                    f"Also REGRESSED: more than {COUNT_THRESHOLD:.2%} more instructions, counted under Valgrind in three layouts."
                ]
                if counts
                else []
            ),
        ],
    )


def _change(instructions: float | None) -> str:
    return NOTHING if instructions is None else f"{1 / instructions - 1:+.2%}" if instructions != 1 else "same"


def _ratio(ratio: Ratio) -> str:
    if ratio.low is None:
        return f"{ratio.value:.3g} [too few rounds]"
    return f"{ratio.value:.{_digits(ratio)}f} {_interval(ratio, '[{}, {}]')}"


def _interval(ratio: Ratio, form: str) -> str:
    return form.format(*(f"{end:.{_digits(ratio)}f}" for end in (ratio.low, ratio.high)))


def _digits(ratio: Ratio) -> int:
    """Four significant digits: the gate is about single per cents."""
    return max(0, 3 - math.floor(math.log10(ratio.value)))


def to_json(found: Sequence[Row], gate: Gate, run: Run, against: str, strict: bool, shown: Table) -> str:
    """The same for programs, with the table as it was ``shown``."""
    answer: dict[str, Any] = {
        "schema": SCHEMA,
        "against": against,
        "run": str(run.folder),
        "exit_status": exit_status(found, strict),
        "summary": summary(found, strict),
        "gate": dataclasses.asdict(gate),
        "machine": machine.describe(),
        "cells": [_fields(row) for row in found if row.hold is None],
        "held": [dataclasses.asdict(row.hold) for row in found if row.hold is not None],
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
    found = store.read(path, Answer, lambda answer: validity.check_table(answer.table))
    if found.exit_status not in (0, 1, 2, 3):
        raise UsageError(f"{path} is damaged (its exit_status is {found.exit_status}): check again, or remove it")
    return found


def junit(found: Sequence[Row], against: str, strict: bool) -> str:
    """A test case a cell, and a quantity held beside time, a suite a runtime. What was not measured, or not decided, is skipped; what is new, passed."""
    xml = JUnitXml("microgpt-bench check")
    for runtime in dict.fromkeys(row.runtime for row in found):
        suite = TestSuite(runtime)
        for row in found:
            if row.runtime != runtime:
                continue
            case = TestCase(row.name, classname=f"check.{runtime}")
            ratio = "" if row.ratio is None else f"{_ratio(row.ratio)} against {against}"
            text = "; ".join(part for part in (ratio, row.reason) if part)
            if row.word in FAILED or (strict and row.word == "INCONCLUSIVE"):
                case.result = [Failure(text, row.word)]
            elif row.word not in ("PASS", "IMPROVED", "NEW"):
                case.result = [Skipped(f"{row.word}: {text}")]
            elif row.reason:
                case.system_out = f"{row.word}: {text}"
            suite.add_testcase(case)
        xml.add_testsuite(suite)
    content = io.BytesIO()
    xml.write(content, pretty=True)
    return content.getvalue().decode()
