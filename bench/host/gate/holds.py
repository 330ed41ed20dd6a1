"""What the gate checks besides the time of a step: memory, graph nodes, start-up, samples, and waiting.

Each quantity has a largest allowed increase: a share, or an amount if that is more. Memory and nodes are counts, or nearly:
the median over the rounds decides. The three times are paired round by round, as the time of a step is, and judged by an
interval (`stats.sequential.signed_rank_ratio`): REGRESSED if the whole interval is beyond the allowed increase. If only
its middle is, more rounds follow; the verdict is INCONCLUSIVE if they make sure that the quantity increased, but not by how
much. A wide interval alone is no alarm: a noisy machine must not set it off.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Collection, Sequence

import numpy as np

from bench.host.results.records import Cell, CellRecord, key
from bench.host.results.run import Run
from bench.host.results.verdicts import NOT_HELD, Hold, Quantity
from bench.host.stats.sequential import Gate, Verdict, signed_rank_ratio, verdict
from bench.host.system.errors import UsageError

SAMPLES = 4  # drawn in every round of the gate, on both sides


QUANTITIES = (
    Quantity("memory", 0.10, 10, "MB", "the process's peak", counted=True),
    Quantity("nodes", 0.01, 0, "nodes", "of the graph, a step", counted=True),
    Quantity("start-up", 0.25, 100, "ms", "from importing the engine to the first gradients"),
    Quantity("samples", 0.05, 0, "ms", "to draw one"),
    Quantity("waiting", 0.02, 0.5, "ms", "time of a step in which the engine computed nothing"),
)


# what can be held against what: counts of another build of Python say little, and an earlier run's times less
AGAINST = {
    "revision": ("memory", "nodes", "start-up", "samples", "waiting"),
    "python": ("start-up", "samples", "waiting"),
    "run": ("memory", "nodes"),
}


def choose(texts: Collection[str], against: str) -> list[Quantity]:
    """The quantities to hold against a "revision", "python" or "run", as --hold NAME=SHARE or NAME=off has them.

    Raises UsageError.
    """
    chosen = {quantity.name: quantity for quantity in QUANTITIES}
    for text in texts:
        name, _, value = text.partition("=")
        if name not in (quantity.name for quantity in QUANTITIES):
            known = ", ".join(quantity.name for quantity in QUANTITIES)
            raise UsageError(f"--hold {text!r}: the gate has no {name!r}: choose from {known}")
        try:
            share = math.inf if value == "off" else float(value)
        except ValueError:
            share = math.nan
        if not share >= 0 or (share == math.inf and value != "off"):
            raise UsageError(f"--hold {text!r} is not NAME=SHARE or NAME=off, as in memory=0.2 or memory=off")
        if value == "off":
            chosen.pop(name, None)
        else:  # what someone chose is meant, however small the amount
            chosen[name] = dataclasses.replace(chosen.get(name) or _named(name), share=share, floor=0)
    return [
        chosen[quantity.name]
        for quantity in QUANTITIES
        if quantity.name in chosen and quantity.name in AGAINST[against]
    ]


def _named(name: str) -> Quantity:
    return next(quantity for quantity in QUANTITIES if quantity.name == name)


def judge(
    run: Run, cell: Cell, baseline: Cell, quantity: Quantity, gate: Gate, earlier: Run | None = None
) -> Hold | None:
    """One quantity of a cell beside ``baseline``, of the run ``earlier`` where that is given; None where it has no place.

    Graph nodes are the same on every runtime and so have a place on one of them only.
    """
    mine = _records(run, cell)
    # of an earlier run one number, beside every round of this one
    theirs = _records(run, baseline) if earlier is None else [_middle(earlier.of(baseline), quantity)] * len(mine)
    pairs = [_pair(quantity, *pair) for pair in zip(theirs, mine, strict=True)]
    measured = np.array([pair for pair in pairs if pair is not None])
    if not len(measured):
        if quantity.name == "nodes" and run.nodes(cell[0]) is not None:
            return None
        return Hold(*cell, quantity.name, NOT_HELD, reason="not measured on both sides")
    before, now, whole = measured.T
    logs = -np.log1p(np.maximum((now - before) / whole, -0.99))
    allowed = max(quantity.share, quantity.floor / float(np.median(whole)))
    ratio, limit, reason = signed_rank_ratio(logs, gate.held_confidence), -math.log1p(allowed), ""
    beyond = ratio.value < math.exp(limit)
    if quantity.counted:
        word = str(Verdict.REGRESSED if beyond else Verdict.PASS)
    elif ratio.low is None:  # too few rounds for an interval
        word = str(Verdict.INCONCLUSIVE) if len(logs) > 2 and np.all(logs < limit) else NOT_HELD
        reason = "too few rounds to be sure"
    elif verdict(ratio, allowed) is Verdict.REGRESSED:
        word = str(Verdict.REGRESSED)
    elif beyond and ratio.high is not None and ratio.high > 1:  # nor is it certain that there is any difference
        word, reason = NOT_HELD, "too noisy to tell"
    else:
        word = str(Verdict.INCONCLUSIVE if beyond else Verdict.PASS)
    # what the system says of waiting for a processor is at times more than what passed
    medians = max(0.0, float(np.median(before))), max(0.0, float(np.median(now)))
    return Hold(*cell, quantity.name, word, *medians, quantity.unit, ratio, allowed, reason)


def judge_all(
    run: Run,
    pairs: Sequence[tuple[Cell, Cell]],
    quantities: Sequence[Quantity],
    gate: Gate,
    earlier: Run | None = None,
) -> list[Hold]:
    """Every quantity of every pair (cell, what it is held against) that both could be measured in."""
    judged = []
    for cell, baseline in pairs:
        if run.status(cell)[0] == "ok" and (earlier or run).status(baseline)[0] == "ok":
            judged += [judge(run, cell, baseline, quantity, gate, earlier) for quantity in quantities]
    return [hold for hold in judged if hold is not None]


def undecided(run: Run, cell: Cell, baseline: Cell, quantities: Sequence[Quantity], gate: Gate) -> bool:
    """Whether something looks worse and more rounds may tell."""
    timed = [quantity for quantity in quantities if not quantity.counted]
    return any(
        hold.word == Verdict.INCONCLUSIVE or (hold.word == NOT_HELD and hold.ratio is not None)
        for hold in judge_all(run, [(cell, baseline)], timed, gate)
    )


# --------------------------------------------------------------------- numbers


def _read(record: CellRecord, quantity: Quantity, delays: bool = False) -> float | None:
    """The quantity in its unit; ``delays``: without the time in which it could have run and had no processor."""
    steps = len(record.nanoseconds)
    if quantity.name == "memory":
        return None if record.peak_bytes is None else record.peak_bytes * 1e-6
    if quantity.name == "nodes":
        return statistics.fmean(record.nodes) if record.nodes else None
    if quantity.name == "start-up":
        return None if record.start_nanoseconds is None else record.start_nanoseconds * 1e-6
    if quantity.name == "samples":
        if not record.samples or not record.samples_nanoseconds:
            return None
        delay = record.samples_delay_nanoseconds if delays else 0
        return max(0, record.samples_nanoseconds - (delay or 0)) * 1e-6 / len(record.samples)
    if not steps or len(record.cpu_nanoseconds) != steps:
        return None
    # a mean over the steps, so that a long wait in one of them counts
    waited = sum(record.nanoseconds) - sum(record.cpu_nanoseconds) - (sum(record.delay_nanoseconds) if delays else 0)
    return waited * 1e-6 / steps


def _says_delays(record: CellRecord, quantity: Quantity) -> bool:
    return bool(
        record.delay_nanoseconds if quantity.name == "waiting" else record.samples_delay_nanoseconds is not None
    )


def _pair(quantity: Quantity, base: CellRecord | None, mine: CellRecord | None) -> tuple[float, float, float] | None:
    """Before, now, and what their difference is a share of; None where one of the two does not say."""
    if base is None or mine is None:
        return None
    delays = _says_delays(base, quantity) and _says_delays(mine, quantity)
    before, now = (_read(record, quantity, delays) for record in (base, mine))
    if before is None or now is None:
        return None
    # a wait is held against the whole step, as the time of a step is
    whole = statistics.fmean(base.nanoseconds) * 1e-6 if quantity.name == "waiting" else before
    return (before, now, whole) if whole > 0 else None


def _records(run: Run, cell: Cell) -> list[CellRecord | None]:
    return [entry.cells.get(key(cell)) for entry in run.rounds]


def _middle(records: Sequence[CellRecord], quantity: Quantity) -> CellRecord | None:
    """The record with the median of them."""
    known = [(value, index) for index, one in enumerate(records) if (value := _read(one, quantity)) is not None]
    return records[sorted(known)[len(known) // 2][1]] if known else None


# --------------------------------------------------------------------- words
