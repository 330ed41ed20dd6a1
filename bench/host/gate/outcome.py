"""The rows of a check's table: one for each verdict, with the reasons that the run has for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from bench.host.gate import holds
from bench.host.gate.decide import ComparedPair, Judgement
from bench.host.measure.round import OTHER_WORKER
from bench.host.results import suspicion
from bench.host.results.parity import Agreement, parity_text
from bench.host.results.run import Run
from bench.host.results.table import NOTHING
from bench.host.results.verdicts import COUNT_THRESHOLD, Hold, Quantity, Row, hold_text
from bench.host.stats.paired import Ratio
from bench.host.stats.sequential import Gate

STATUS = {"skipped": "SKIPPED", "diverged": "DIVERGED", "failed": "FAILED"}  # of a cell that has no verdict


def rows(judgements: Sequence[Judgement], run: Run, against: str, held_too: Sequence[Hold] = ()) -> list[Row]:
    """A row for each judgement, and ``held_too`` the results for the other quantities."""
    shown = []
    waits = {(hold.engine, hold.runtime) for hold in held_too if (hold.quantity, hold.word) == ("waiting", "REGRESSED")}
    for judgement in judgements:
        (engine, runtime), pair = judgement.pair.cell, judgement.pair
        word, reason = _word(judgement, run, against)
        if word in ("PASS", "IMPROVED") and (why := _suspicious(run, pair, pair.cell in waits)):
            word, reason = "INCONCLUSIVE", why
        finding = run.finding((engine, runtime))
        parity = NOTHING if finding is None else parity_text(finding)
        reason_count = _counted(judgement.instructions)
        if reason_count and word in ("PASS", "INCONCLUSIVE"):
            word = "REGRESSED"
        reason = "; ".join(part for part in (reason_count, reason) if part)
        claimed = None if pair.low == pair.high == 1 else Ratio((pair.low * pair.high) ** 0.5, pair.low, pair.high, 0)
        shown.append(
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
    return shown


def held_too(
    judgements: Sequence[Judgement], run: Run, quantities: Sequence[Quantity], gate: Gate, earlier: Run | None = None
) -> list[Hold]:
    """What came out for the other quantities, of what was timed; ``earlier``: the run that this one is held against."""
    hold_list: list[Hold] = []
    for judgement in judgements:
        cell, baseline = judgement.pair.cell, judgement.pair.baseline
        if judgement.status != "ok":
            continue
        if earlier is not None:
            baseline = cell
        # the memory of another machine or build is not this one's
        fitting = [one for one in quantities if one.name != "memory" or judgement.pair.expected]
        hold_list += holds.judge_all(run, [(cell, baseline)], fitting, gate, earlier)
    return hold_list


def held_rows(hold_list: Sequence[Hold], against: str) -> list[Row]:
    """A row for each quantity that was held beside time."""
    return [
        Row(
            *(hold.engine, hold.runtime, hold.word, against),
            ratio=hold.ratio,
            rounds=0 if hold.ratio is None else hold.ratio.rounds,
            reason=hold_text(hold),
            hold=hold,
        )
        for hold in hold_list
    ]


def _word(judgement: Judgement, run: Run, against: str) -> tuple[str, str]:
    """The word of a judgement's row and the reason: its verdict, unless the engine broke, or has nothing beside it."""
    pair = judgement.pair
    (own, why), (other, _) = run.status(pair.cell), run.status(pair.baseline)
    reason = judgement.reason or why  # it may have broken after its verdict, while others had none
    if own == "ok" and pair.cell in run.parity_violations():
        return "FAILED", f"broke its promise: {run.record.engines[pair.cell[0]].parity}"
    if own == "ok" and judgement.status != "ok":
        # no failure of this engine, which was proven as a new one is; but where the two can't be told apart from a
        # worker that does not know the orders, nothing was measured
        return "SKIPPED" if OTHER_WORKER in reason else "NEW", reason
    if own == "skipped" and other == "ok" and pair.expected:
        return "FAILED", f"{against} could run it: {reason}"
    if own != "ok":
        return STATUS[own], reason
    return str(judgement.verdict), "; ".join(part for part in (reason, _weaker_promise(pair, run, against)) if part)


def _suspicious(run: Run, pair: ComparedPair, waits: bool) -> str:
    """Why a good verdict on a cell's time is not to be believed; empty where it is."""
    if why := run.waits(pair.cell):
        return why
    if waits:
        return "it waits longer than before, which CPU time does not show"
    fast = suspicion.too_fast(run.of(pair.cell))
    return fast if fast and not suspicion.too_fast(run.of(pair.baseline)) else ""


def _weaker_promise(pair: ComparedPair, run: Run, against: str) -> str:
    """A line where the engine promises less than what it is held against: a change that may be meant, so no failure."""
    now, before = run.record.engines[pair.cell[0]], run.record.engines[pair.baseline[0]]
    promised = pair.promised or (before.parity if before.summary else "")
    if (promised, now.parity) == (str(Agreement.BIT_IDENTICAL), str(Agreement.ROUNDING)):
        return f"promises {now.parity}, and {promised} at {against}"
    return ""


def new_rows(unmatched: Sequence[Row], run: Run) -> list[Row]:
    """The rows of what is held against nothing, with what the first round found: wrong is wrong, if it is new or not."""
    shown = []
    for row in unmatched:
        if row.word == "REMOVED":
            shown.append(row)
            continue
        cell = (row.engine, row.runtime)
        (status, reason), finding = run.status(cell), run.finding(cell)
        if status == "ok" and cell in run.parity_violations():
            status, reason = "failed", f"broke its promise: {run.record.engines[row.engine].parity}"
        word = row.word if status == "ok" else STATUS[status]
        parity = NOTHING if finding is None else parity_text(finding)
        shown.append(
            dataclasses.replace(row, word=word, reason=reason or row.reason, rounds=len(run.of(cell)), parity=parity)
        )
    return shown


def _counted(instructions: float | None) -> str:
    """What an exact count has against a cell, or nothing."""
    if instructions is None or instructions >= 1 / (1 + COUNT_THRESHOLD):
        return ""
    return f"takes {1 / instructions - 1:.2%} more instructions per step"
