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
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from bench.host.gate.decide import ComparedPair, Judgement, Undecided, log_ratios
from bench.host.gate.instructions import instructions_ratio
from bench.host.measure import valgrind
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


def measure(
    plan: Plan,
    run: Run,
    engine: str,
    wanted: dict[str, TrialPlan],
    burn: bool,
    gate: Gate,
    progress: Progress,
    save: Callable[[list[Trial]], None],
    trials: list[Trial],
) -> list[Trial]:
    """Trials, added to those there are, until each row has as many as wanted, or the plan's deadline.

    The first half of each row's trials runs on the machine as it is; with ``burn`` another process keeps a core busy
    during the second. ``save`` is called after each trial with all so far.
    """
    runtime, reference_cells = plan.runtimes[0].name, dict[Cell, CellState]()
    rounds = Rounds(plan, run, progress, save=False, reference_cells=reference_cells)
    for burning in (False, True):
        missing = _missing(wanted, trials, burning, burn)
        still = {
            row: Undecided(ComparedPair((row, runtime), (engine, runtime)), len(run.rounds))
            for row in missing
            if missing[row]
        }
        spent = dict.fromkeys(still, 0.0)
        with burner() if burning and burn else contextlib.nullcontext():
            while still and rounds.time_left:
                cells = [(row, runtime) for row in (engine, *still)]
                if not reference_cells and engine != REFERENCE:
                    cells.insert(0, (REFERENCE, runtime))
                if rounds.add(cells) is None:
                    return trials
                seconds = run.rounds[-1].seconds
                for row, trial in list(still.items()):
                    spent[row] += seconds * 2 / len(cells)  # what a check of this pair alone would have taken
                    over = spent[row] + seconds * 2 / len(cells) > wanted[row].budget_seconds
                    judgement = trial.look(run, gate) or (trial.look(run, gate, last=True) if over else None)
                    if judgement is None:
                        continue
                    trials.append(_trial(run, trial, judgement, wanted[row], burning and burn, spent[row]))
                    save(trials)
                    progress.say(_said(trials, wanted))
                    missing[row] -= 1
                    spent[row] = 0.0
                    if missing[row]:
                        still[row] = Undecided(trial.pair, len(run.rounds))
                    else:
                        del still[row]
    return trials


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


@contextlib.contextmanager
def burner() -> Iterator[None]:
    """A process that keeps one core busy."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def now() -> str:
    """UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
