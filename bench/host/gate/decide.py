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
from bench.host.system.progress import Progress, count


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
        logs, machines = by_machine(run, self.pair, self.begun)
        verdict, self.ratio = gate.judge(logs, self.pair.low, self.pair.high, last)
        if verdict is Verdict.REGRESSED and gate.recurs(logs, self.pair.low, machines):
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
    return by_machine(run, pair, since)[0]


def by_machine(run: Run, pair: ComparedPair, since: int) -> tuple[list[float], list[str]]:
    """`log_ratios`, and the machine of each.

    Of several machines each one's rounds are held against one another only: steps cost more on a slower one.
    """
    said: dict[int, tuple[float, str]] = {}
    for name, part in run.machines.items():
        places = range(len(run.rounds)) if part is run else [entry.number - 1 for entry in part.rounds]
        before = sum(place < since for place in places)
        if before < len(places):
            logs = round_log_ratios(*part.pair(pair.baseline, pair.cell, before))[0]
            said |= {place: (float(log), name) for place, log in zip(places[before:], logs) if not math.isnan(log)}
    return [said[place][0] for place in sorted(said)], [said[place][1] for place in sorted(said)]


class Decision:
    """The verdicts of a check, as rounds are added to ``run``: ``cells`` says what the next one is to measure.

    ``unpaired``: cells that are held against nothing, measured in the first round to see that they agree. ``quantities``:
    held beside time; a cell that has a verdict is measured on where one of them looks worse and it is not certain.
    """

    def __init__(
        self,
        plan: Plan,
        run: Run,
        pairs: list[ComparedPair],
        gate: Gate,
        unpaired: Collection[Cell] = (),
        quantities: Sequence[Quantity] = (),
    ) -> None:
        self.plan, self.run, self.pairs, self.gate = plan, run, pairs, gate
        self.unpaired, self.quantities = unpaired, quantities
        self.still = [Undecided(pair, len(run.rounds)) for pair in pairs]
        self.judgements: dict[int, Judgement] = {}

    @property
    def open(self) -> bool:
        """Whether another round is needed."""
        return bool(self.still or (self.unpaired and not self.run.rounds))

    def cells(self, first: bool) -> list[Cell]:
        """Those of the pairs that are open; of the ``first`` round also references and what is held against nothing."""
        wanted = {cell for one in self.still for cell in (one.pair.cell, one.pair.baseline)}
        if first:
            wanted |= {*self.unpaired, *((REFERENCE, runtime.name) for runtime in self.plan.runtimes)}
        return [cell for cell in self.plan.cells if cell in wanted]

    def look(self) -> None:
        """After each round: which pairs have a verdict now."""
        for one in list(self.still):
            judgement = self.judgements.get(id(one.pair)) or one.look(self.run, self.gate)
            if judgement is not None:
                self.judgements[id(one.pair)] = judgement
                if judgement.status != "ok" or not _looks_worse(self.run, one, self.quantities, self.gate):
                    self.still.remove(one)

    def end(self, progress: Progress) -> list[Judgement]:
        """A judgement for each of the pairs, in their order; where none is reached, by what there is."""
        for one in [one for one in self.still if id(one.pair) not in self.judgements]:
            last = one.look(self.run, self.gate, last=True) or one._end(self.run, Verdict.INCONCLUSIVE)
            self.judgements[id(one.pair)] = last
        undecided = sum(one.verdict is Verdict.INCONCLUSIVE and one.status == "ok" for one in self.judgements.values())
        if undecided:
            spent = f"{self.plan.deadline.spent:.0f} s"
            progress.say(f"undecided after {spent}: {undecided} of {count(len(self.pairs), 'cell')}")
        return [self.judgements[id(pair)] for pair in self.pairs]


def decide(decision: Decision, progress: Progress) -> list[Judgement]:
    """Add rounds to the run, measured here, until every pair is decided or the plan's deadline is over."""
    reference_cells: dict[Cell, CellState] = {}
    rounds = Rounds(decision.plan, decision.run, progress, reference_cells=reference_cells)
    while decision.open and rounds.time_left:
        first = not reference_cells
        if rounds.add(decision.cells(first), samples=holds.SAMPLES, nodes=first) is None:
            break
        decision.look()
        if not reference_cells:
            break  # no reference went to the end: nothing can be proven
    return decision.end(progress)


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
