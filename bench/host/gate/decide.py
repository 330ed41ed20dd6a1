"""The gate: rounds are added until every cell has a verdict or the time is up.

Each round measures only the cells without a verdict, each with the cell that it is compared with. The reference is measured
in the first round, and where it is one of a pair; in all other rounds losses are compared with those of the first.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Sequence

from bench.host.gate import holds
from bench.host.measure.cell import CellState
from bench.host.measure.plan import Plan
from bench.host.measure.rounds import Rounds
from bench.host.results.records import REFERENCE, Cell, Status, key
from bench.host.results.run import Run
from bench.host.results.verdicts import NO_TIME, TIME_UP, Quantity
from bench.host.stats.paired import Ratio, round_log_ratios
from bench.host.stats.sequential import Gate, Verdict
from bench.host.system.progress import Progress


@dataclasses.dataclass(frozen=True)
class ComparedPair:
    """A cell, its baseline that is timed in the same rounds, and the range in which their ratio should be.

    ``low`` and ``high`` are 1 where the other cell is the same engine at another revision; where it is the reference,
    they are the interval of an earlier speedup. The same cell twice measures nothing and is refused. ``expected``: the
    engine must run, as what it is held against could; False for a run of another machine or build. ``promised``: the
    parity that it promised in an earlier run, empty where the other cell says it.
    """

    cell: Cell
    baseline: Cell
    low: float = 1.0
    high: float = 1.0
    expected: bool = True
    promised: str = ""

    def __post_init__(self) -> None:
        """Raises ValueError for a cell held against itself."""
        if self.cell == self.baseline:
            raise ValueError(f"{key(self.cell)} is held against itself")


@dataclasses.dataclass(frozen=True)
class Judgement:
    """A verdict, the ratio with the interval it was made from, and in how many rounds.

    ``status`` other than ok: the cell, or what it is held against, could not be timed, and ``reason`` says why.
    """

    pair: ComparedPair
    verdict: Verdict
    ratio: Ratio | None
    rounds: int
    status: Status = "ok"
    reason: str = ""
    instructions: float | None = None  # of the other cell over this one's, in counts; 1 where the files are the same
    not_counted: str = ""


class Undecided:
    """A cell without a verdict yet. ``begun``: the index of its first round."""

    def __init__(self, pair: ComparedPair, begun: int) -> None:
        self.pair, self.begun = pair, begun
        self.waiting = False  # for certainty about something else than time
        self.ratio: Ratio | None = None

    def look(self, run: Run, gate: Gate, last: bool = False) -> Judgement | None:
        """Judge where a look is due, or where there will be none later; None: go on."""
        for cell in (self.pair.cell, self.pair.baseline):
            status, reason = run.status(cell)
            if status != "ok":
                what = "" if cell == self.pair.cell else f"{cell[0]}, which it is compared with, {status}: "
                return self._end(run, Verdict.INCONCLUSIVE, status=status, reason=what + reason)
        rounds = sum(
            {key(self.pair.cell), key(self.pair.baseline)} <= set(entry.cells) for entry in run.rounds[self.begun :]
        )
        if not last and rounds not in gate.looks:
            return None
        if not rounds:
            return self._end(run, Verdict.INCONCLUSIVE, reason=TIME_UP)
        logs = log_ratios(run, self.pair, self.begun)
        verdict, self.ratio = gate.judge(logs, self.pair.low, self.pair.high, last)
        if verdict is Verdict.REGRESSED and gate.recurs(logs, self.pair.low):
            return self._end(run, verdict)
        if verdict in (Verdict.PASS, Verdict.IMPROVED):
            return self._end(run, verdict)
        if not last and rounds < gate.looks[-1]:
            return None
        reason = NO_TIME if verdict is Verdict.REGRESSED else TIME_UP
        if rounds == gate.looks[-1]:
            reason = f"undecided after {rounds} rounds, the most there are"
        visible = gate.visible(logs, last)
        if visible is not None:
            reason += f"; a slowdown of {visible:.1%} would have been seen"
        return self._end(run, Verdict.INCONCLUSIVE, reason=reason)

    def _end(self, run: Run, verdict: Verdict, status: Status = "ok", reason: str = "") -> Judgement:
        return Judgement(self.pair, verdict, self.ratio, len(run.rounds) - self.begun, status, reason)


def log_ratios(run: Run, pair: ComparedPair, since: int) -> list[float]:
    """What each round from index ``since`` on says of the log-ratio, where both cells were measured."""
    if since == len(run.rounds):
        return []
    logs = round_log_ratios(*run.pair(pair.baseline, pair.cell, since))[0]
    return [float(log) for log in logs if not math.isnan(log)]


def decide(
    plan: Plan,
    run: Run,
    pairs: list[ComparedPair],
    gate: Gate,
    progress: Progress,
    unpaired: Collection[Cell] = (),
    quantities: Sequence[Quantity] = (),
    reserve: float = 0.0,
) -> list[Judgement]:
    """A judgement for each of ``pairs``, in their order, adding rounds to ``run``, until the plan's deadline.

    ``unpaired``: cells that are held against nothing, measured in the first round to see that they agree. ``quantities``:
    held beside time; a cell that has a verdict is measured on where one of them looks worse and it is not certain.
    ``reserve``: share of the time that is kept for what comes after.
    """
    plan = dataclasses.replace(plan, deadline=plan.deadline.keeping(reserve))
    reference_cells: dict[Cell, CellState] = {}
    rounds = Rounds(plan, run, progress, reference_cells=reference_cells)
    still = [Undecided(pair, len(run.rounds)) for pair in pairs]
    judgements: dict[int, Judgement] = {}
    while (still or (unpaired and not run.rounds)) and rounds.time_left:
        first = not reference_cells
        wanted = {cell for one in still for cell in (one.pair.cell, one.pair.baseline)}
        if first:
            wanted |= {*unpaired, *((REFERENCE, runtime.name) for runtime in plan.runtimes)}
        cells = [cell for cell in plan.cells if cell in wanted]
        if rounds.add(cells, samples=holds.SAMPLES, nodes=first) is None:
            break
        for one in list(still):
            judgement = judgements.get(id(one.pair)) or one.look(run, gate)
            if judgement is not None:
                judgements[id(one.pair)] = judgement
                if judgement.status != "ok" or not _looks_worse(run, one, quantities, gate):
                    still.remove(one)
        if not reference_cells:
            break  # no reference went to the end: nothing can be proven
    for one in [one for one in still if id(one.pair) not in judgements]:
        judgements[id(one.pair)] = one.look(run, gate, last=True) or one._end(run, Verdict.INCONCLUSIVE)
    undecided = sum(one.verdict is Verdict.INCONCLUSIVE and one.status == "ok" for one in judgements.values())
    if undecided:
        count = f"{len(pairs)} cell{'s' * (len(pairs) != 1)}"
        progress.say(f"undecided after {plan.deadline.spent:.0f} s: {undecided} of {count}")
    return [judgements[id(pair)] for pair in pairs]


def _looks_worse(run: Run, one: Undecided, quantities: Sequence[Quantity], gate: Gate) -> bool:
    """Whether a quantity beside time needs more rounds; looked at as seldom as time is, and not for ever."""
    rounds = len(run.of(one.pair.cell))
    if rounds >= gate.looks[:MORE_LOOKS][-1]:
        return False
    if rounds not in gate.looks and one.waiting:
        return True
    one.waiting = holds.undecided(run, one.pair.cell, one.pair.baseline, quantities, gate)
    return one.waiting


MORE_LOOKS = 7  # after which something else than time keeps no cell open
