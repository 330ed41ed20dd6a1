"""What the gate detects on this machine: it checks equal copies of one engine, and copies with an injected slowdown.

One engine is measured several times in the same rounds: unchanged, as an equal copy, and with slowdowns injected. The gate
checks each pair again and again, on separate rounds: the next trial begins when one has its verdict. So false alarms and
detections are counted with the gate itself. The rules of other tools judge the same rounds. The rounds of equal copies,
with a slowdown added to their numbers, give the smallest slowdown that the gate finds in 80 and in 95 % of checks (block bootstrap over rounds: Künsch 1989, "The Jackknife and the Bootstrap for General Stationary
Observations").
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import pathlib
import shutil
from collections import Counter
from collections.abc import Callable, Sequence

from bench.host.gate.decide import ComparedPair, Judgement, Undecided, log_ratios
from bench.host.gate.instructions import instructions_ratio
from bench.host.measure import valgrind
from bench.host.measure.burner import burner
from bench.host.measure.cell import CellState
from bench.host.measure.plan import Plan
from bench.host.measure.rounds import Rounds
from bench.host.results.calibration import CountTrial, Trial
from bench.host.results.records import REFERENCE, Cell
from bench.host.results.run import Run
from bench.host.stats.sequential import Gate
from bench.host.system.deadline import OutOfTime
from bench.host.system.errors import UsageError
from bench.host.system.progress import Progress

COPIES = 4  # equal copies in the same rounds: they share a baseline, which makes trials cheaper


@dataclasses.dataclass(frozen=True)
class TrialPlan:
    """Of a row: the slowdown to inject, the number of trials, and the budget of each."""

    slowdown: float
    trials: int
    budget_seconds: float


class Trials:
    """Trials of the gate, as rounds are added to ``run``: ``cells`` says what the next one is to measure, ``look`` ends trials.

    ``trials``: those there are, to which the new ones are added until each row has as many as wanted. The first half of each
    row's trials runs on the machine as it is; with ``burn`` another process keeps a core busy during the second.
    """

    def __init__(
        self,
        runtime: str,
        run: Run,
        engine: str,
        wanted: dict[str, TrialPlan],
        burn: bool,
        gate: Gate,
        trials: list[Trial],
    ) -> None:
        self.runtime, self.run, self.engine, self.wanted = runtime, run, engine, wanted
        self.burn, self.gate, self.trials, self.second_half = burn, gate, trials, False
        self._begin()

    @property
    def burning(self) -> bool:
        """Whether a core is to be kept busy in the next round."""
        return self.burn and self.second_half

    @property
    def open(self) -> bool:
        """Whether another round is needed."""
        return bool(self.still)

    def cells(self, first: bool) -> list[Cell]:
        """The engine, and its copies that still need trials; in the ``first`` round also the reference."""
        cells = [(row, self.runtime) for row in (self.engine, *self.still)]
        return [(REFERENCE, self.runtime), *cells] if first and self.engine != REFERENCE else cells

    def look(self) -> int:
        """After each round: end the trials that have their verdict or no time left. How many they were."""
        entry, before = self.run.rounds[-1], len(self.trials)
        share = entry.seconds * 2 / len(entry.cells)  # what a check of a pair alone would have taken
        for row, trial in list(self.still.items()):
            self.spent[row] += share
            over = self.spent[row] + share > self.wanted[row].budget_seconds
            judgement = trial.look(self.run, self.gate) or (
                trial.look(self.run, self.gate, last=True) if over else None
            )
            if judgement is None:
                continue
            self.trials.append(_trial(self.run, trial, judgement, self.wanted[row], self.burning, self.spent[row]))
            self.missing[row] -= 1
            self.spent[row] = 0.0
            if self.missing[row]:
                self.still[row] = Undecided(trial.pair, len(self.run.rounds))
            else:
                del self.still[row]
        if not self.still and not self.second_half:
            self.second_half = True
            self._begin()
        return len(self.trials) - before

    def said(self) -> str:
        """How many trials are done of how many, and what the last one found."""
        return _said(self.trials, self.wanted)

    def _begin(self) -> None:
        """One half of each row's trials."""
        self.missing = _missing(self.wanted, self.trials, self.second_half, self.burn)
        self.still = {
            row: Undecided(ComparedPair((row, self.runtime), (self.engine, self.runtime)), len(self.run.rounds))
            for row in self.missing
            if self.missing[row]
        }
        self.spent = dict.fromkeys(self.still, 0.0)
        if not self.still and not self.second_half:
            self.second_half = True
            self._begin()


def measure(plan: Plan, trials: Trials, progress: Progress, save: Callable[[], None]) -> None:
    """Add rounds, measured here, until all trials are done or the plan's deadline is over; ``save`` after each trial."""
    reference_cells = dict[Cell, CellState]()
    rounds = Rounds(plan, trials.run, progress, save=False, reference_cells=reference_cells)
    while trials.open and rounds.time_left:
        with burner() if trials.burning else contextlib.nullcontext():
            if rounds.add(trials.cells(not reference_cells)) is None:
                return
        if trials.look():
            save()
            progress.say(trials.said())


def _trial(run: Run, trial: Undecided, judgement: Judgement, want: TrialPlan, burning: bool, spent: float) -> Trial:
    """What is kept of a trial that has its verdict. Raises UsageError for an engine that fails or diverges."""
    pair, since = trial.pair, trial.begun
    if judgement.status != "ok":
        engine, runtime = pair.baseline
        raise UsageError(f"{engine} on {runtime} cannot be calibrated with: {judgement.reason}")
    return Trial(
        want.slowdown,
        burning,
        str(judgement.verdict),
        judgement.rounds,
        round(spent, 2),
        want.budget_seconds,
        judgement.ratio.value if judgement.ratio else None,
        [round(float(log), 6) for log in log_ratios(run, pair, since)],
        *(_means(run, cell, since) for cell in (pair.baseline, pair.cell)),
    )


def _said(trials: Sequence[Trial], wanted: dict[str, TrialPlan]) -> str:
    """How many trials are done of how many, and what the last one found."""
    done = ", ".join(
        f"{share:.1%}: {sum(t.slowdown == share for t in trials)}"
        f"/{sum(w.trials for w in wanted.values() if w.slowdown == share)}"
        for share in dict.fromkeys(want.slowdown for want in wanted.values())
    )
    last = trials[-1]
    burnt = ", a core burning" if last.burning else ""
    return f"{done} trials; {last.slowdown:.1%} was {last.verdict} after {last.rounds} rounds{burnt}"


def _missing(wanted: dict[str, TrialPlan], trials: Sequence[Trial], burning: bool, burn: bool) -> dict[str, int]:
    """Trials that each row still needs in this half; rows that are copies of one another share what there is."""
    missing = {}
    there = Counter((t.slowdown, t.budget_seconds) for t in trials if t.burning is (burning and burn))
    if not burn and burning:  # both halves are alike: what was over in the first counts here
        for want in wanted.values():
            there[want.slowdown, want.budget_seconds] -= want.trials // 2
    for row, want in wanted.items():
        half = (want.trials + burning) // 2
        done = max(0, min(half, there[want.slowdown, want.budget_seconds]))
        there[want.slowdown, want.budget_seconds] -= done
        missing[row] = half - done
    return missing


def measure_counts(
    plan: Plan,
    engine: str,
    slowdown: float,
    count: int,
    workspace: pathlib.Path,
    progress: Progress,
    save: Callable[[list[CountTrial]], None],
) -> None:
    """As many comparisons of instruction counts of two copies, and as many with a slowdown put in.

    A copy has one comment more, each time a longer one: other bytes, and so another memory layout, for the same code.
    Ends at the plan's deadline. Raises CannotCount where there is no Valgrind.
    """
    runtime, before = plan.runtimes[0], plan.engines[engine]
    counted: dict[int, valgrind.Instructions] = {}
    trials: list[CountTrial] = []
    for share in (0.0, slowdown):
        for number in range(1, count + 1):
            source = workspace / f"copy-{share}-{number}"
            shutil.copytree(before.source, source)
            file = source / "engines" / f"{before.loads}.py"
            after = dataclasses.replace(before, source=source, slowdown=share)
            if before.loads.endswith(".py"):  # a file of the user's
                own = pathlib.Path(before.loads)
                file = shutil.copytree(own.parent, source / "files") / own.name
                after = dataclasses.replace(after, loads=str(file))
            file.write_text(file.read_text(encoding="utf-8") + f"# {'-' * 37 * number}\n", encoding="utf-8")
            progress.advance(f"instructions, {share:.1%} more")
            try:
                trials.append(CountTrial(share, instructions_ratio(plan, runtime, before, after, counted)))
            except OutOfTime:
                progress.say(
                    f"{len(trials)} of {2 * count} comparisons of instructions when the {plan.deadline} were over"
                )
                return
            save(trials)
            shutil.rmtree(source)
            progress.say(
                f"instructions {len(trials)}/{2 * count}: {share:.2%} more was seen as {1 / trials[-1].ratio - 1:+.3%}"
            )


def _means(run: Run, cell: Cell, since: int) -> list[float]:
    return [float(f"{seconds:.6g}") for seconds in run.times(cell, since).mean(axis=1)]


def now() -> str:
    """UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
