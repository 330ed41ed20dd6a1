"""What this machine can see: the gate tried on two copies of one engine, and on copies slowed down by a known share.

One engine is measured several times in the same rounds: as it is, as it is once more, and with slowdowns injected. Each
pair goes through the gate, again and again, on rounds of its own: as soon as a trial has its verdict the next begins. So
false alarms and detections are counted on what the gate really does. The same rounds' times are put to the rules of
other tools, and the rounds of equal copies, slowed down on paper, give the smallest slowdown that the gate finds in 80
and in 95 % of checks (block bootstrap over rounds: Künsch 1989, "The Jackknife and the Bootstrap for General Stationary
Observations").
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import pathlib
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import cattrs
import numpy as np
from pyperf._utils import is_significant  # no public name gives its rule without printing

from bench.host.gate.decide import COUNT_THRESHOLD, Held, Open, instructions_ratio, log_ratios
from bench.host.measure import counters, lockstep
from bench.host.measure.cell import CellState
from bench.host.measure.plan import REFERENCE, Plan, Progress
from bench.host.measure.round import Round
from bench.host.pages.tables import NOTHING, Table
from bench.host.results import store, validity
from bench.host.results.records import Cell
from bench.host.results.run import Run
from bench.host.stats.paired import Floats
from bench.host.stats.sequential import Gate, Verdict
from bench.host.system import machine
from bench.host.system.deadline import OutOfTime
from bench.host.system.errors import UsageError
from bench.workload.model_file import write_atomically

COPIES = 4  # equal copies in the same rounds: they share a baseline, which makes trials cheaper
BLOCK = 16  # rounds that the bootstrap keeps together: a disturbance lasts for several
GRID = np.arange(0.0025, 0.5001, 0.0025)  # slowdowns looked at for the smallest that is found


@dataclasses.dataclass(frozen=True)
class Trial:
    """One comparison brought to its end: by how much one side was slowed down, and what was said of it.

    ``baseline`` and ``seconds`` are both sides' mean seconds per step, a value a round, ``logs`` the rounds' log-ratios.
    """

    slowdown: float
    burning: bool
    verdict: str
    rounds: int
    took_seconds: float
    budget_seconds: float
    ratio: float | None
    logs: list[float]
    baseline: list[float]
    seconds: list[float]


@dataclasses.dataclass(frozen=True)
class Wanted:
    """Of a row: the slowdown to inject, the number of trials, and the budget of each."""

    slowdown: float
    trials: int
    budget_seconds: float


@dataclasses.dataclass(frozen=True)
class CountTrial:
    """Instructions of one copy over another's, whose engine file has a comment more, by the gate's rule."""

    slowdown: float
    ratio: float


@dataclasses.dataclass(frozen=True)
class Calibration:
    """All trials, and on what: schema 1 of ``calibration/IDENTITY.json`` in a results folder."""

    schema: int
    created: str
    command: str
    engine: str
    runtime: str
    build: str
    steps: int
    budget_seconds: float
    gate: Gate
    machine: dict[str, str | int | float]
    trials: list[Trial]
    counts: list[CountTrial] = dataclasses.field(default_factory=list)
    found_80: float | None = None  # the smallest slowdown that 80 % of checks find, filled in at the end
    found_95: float | None = None


# --------------------------------------------------------------------- measuring


def measure(
    plan: Plan,
    run: Run,
    engine: str,
    wanted: dict[str, Wanted],
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
    runtime, longest = plan.runtimes[0].name, 0.0
    truth: dict[Cell, CellState] = {}
    for burning in (False, True):
        missing = _missing(wanted, trials, burning, burn)
        still = {row: Open(Held((row, runtime), (engine, runtime)), len(run.rounds)) for row in missing if missing[row]}
        spent = dict.fromkeys(still, 0.0)
        with burner() if burning and burn else contextlib.nullcontext():
            while still and plan.deadline.left > longest:
                cells = [(row, runtime) for row in (engine, *still)]
                if not truth and engine != REFERENCE:
                    cells.insert(0, (REFERENCE, runtime))
                current = Round(plan, len(run.rounds) + 1, cells, progress, truth)
                try:
                    entry = current.run()
                except OutOfTime:
                    return trials
                lockstep.say_if_over(plan.deadline, current.number, progress)
                run.rounds.append(entry)
                longest = max(entry.seconds, 0.9 * longest)  # rounds get shorter as rows are done
                truth = truth or current.references()
                for row, trial in list(still.items()):
                    spent[row] += entry.seconds * 2 / len(cells)  # what a check of this pair alone would have taken
                    over = spent[row] + entry.seconds * 2 / len(cells) > wanted[row].budget_seconds
                    judgement = trial.look(run, gate) or (trial.look(run, gate, last=True) if over else None)
                    if judgement is None:
                        continue
                    if judgement.status != "ok":
                        raise UsageError(f"{engine} on {runtime} cannot be calibrated with: {judgement.reason}")
                    held, since = trial.held, trial.begun
                    trials.append(
                        Trial(
                            wanted[row].slowdown,
                            burning and burn,
                            str(judgement.verdict),
                            judgement.rounds,
                            round(spent[row], 2),
                            wanted[row].budget_seconds,
                            judgement.ratio.value if judgement.ratio else None,
                            [round(float(log), 6) for log in log_ratios(run, held, since)],
                            *(_means(run, cell, since) for cell in (held.baseline, held.cell)),
                        )
                    )
                    save(trials)
                    missing[row] -= 1
                    spent[row] = 0.0
                    if missing[row]:
                        still[row] = Open(held, len(run.rounds))
                    else:
                        del still[row]
                    done = ", ".join(
                        f"{share:.1%}: {sum(t.slowdown == share for t in trials)}"
                        f"/{sum(w.trials for w in wanted.values() if w.slowdown == share)}"
                        for share in dict.fromkeys(want.slowdown for want in wanted.values())
                    )
                    burnt = ", a core burning" if burning and burn else ""
                    share = wanted[row].slowdown
                    progress.say(
                        f"{done} trials; {share:.1%} was {judgement.verdict} after {judgement.rounds} rounds{burnt}"
                    )
    return trials


def _missing(wanted: dict[str, Wanted], trials: Sequence[Trial], burning: bool, burn: bool) -> dict[str, int]:
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
    counted: dict[int, counters.Instructions] = {}
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


# --------------------------------------------------------------------- what it says


def other_rules(threshold: float = 0.05) -> dict[str, Callable[[Floats, Floats], bool]]:
    """What other tools would say of two lists of seconds, a value a process: is the second slower?"""
    return {
        "pyperf: Student's t, 95 %": lambda a, b: bool(b.mean() > a.mean() and _students_t(a, b)),
        f"means more than {threshold:.0%} apart": lambda a, b: bool(b.mean() > (1 + threshold) * a.mean()),
        "asv: Mann-Whitney p < 0.002 and factor 1.1": lambda a, b: bool(
            np.median(b) > 1.1 * np.median(a) and _mann_whitney(a, b)
        ),
        "Mann-Whitney p < 0.002 alone": lambda a, b: bool(np.median(b) > np.median(a) and _mann_whitney(a, b)),
    }


def _students_t(a: Floats, b: Floats) -> bool:
    if len(a) < 2:  # of one process each nothing can be said
        return False
    return not (a.std() or b.std()) or bool(is_significant(list(a), list(b))[0])


def _mann_whitney(a: Floats, b: Floats) -> bool:
    from scipy.stats import mannwhitneyu  # here: its import takes longer than most commands

    return float(mannwhitneyu(a, b).pvalue) < 0.002


def rates(calibration: Calibration) -> list[list[str]]:
    """A row for each rule: how many trials of equal copies, and of each slowdown, it calls slower."""
    shares = sorted({trial.slowdown for trial in calibration.trials})
    groups = {share: [trial for trial in calibration.trials if trial.slowdown == share] for share in shares}
    columns: list[list[Trial]] = []
    if 0.0 in groups:
        columns += [[t for t in groups[0.0] if t.burning is burning] for burning in (False, True)]
    columns += [groups[share] for share in shares if share]
    rows = [
        ["microgpt-bench check", *(_share(sum(t.verdict == "REGRESSED" for t in c), len(c)) for c in columns), NOTHING]
    ]
    apart = _apart(groups.get(0.0, []))
    for name, rule in other_rules().items():
        called = [sum(rule(np.array(t.baseline), np.array(t.seconds)) for t in column) for column in columns]
        shown = [_share(count, len(column)) for count, column in zip(called, columns)]
        rows.append([name, *shown, _share(sum(rule(a, b) or rule(b, a) for a, b in apart), len(apart))])
    return rows


def _apart(trials: Sequence[Trial]) -> list[tuple[Floats, Floats]]:
    """Equal copies measured one after the other, as two separate runs are: the next trial's against this one's."""
    pairs = []
    for one, other in zip(trials, trials[1:]):
        if one.burning is other.burning:
            rounds = min(len(one.baseline), len(other.baseline))
            pairs.append((np.array(one.baseline[:rounds]), np.array(other.baseline[:rounds])))
    return pairs


def _share(count: int, of: int) -> str:
    return f"{count}/{of}" if of else NOTHING


def smallest_found(calibration: Calibration, power: float, checks: int = 400) -> float | None:
    """The smallest slowdown that the gate finds in this share of checks within the budget; None where none is.

    Rounds of equal copies, drawn in blocks, are slowed down on paper: a slowdown by s takes log(1 + s) off every round's
    log-ratio, exactly what an injected one does.
    """
    equal = [trial for trial in calibration.trials if trial.slowdown == 0]
    logs = np.array([log for trial in equal for log in trial.logs])
    seconds = sum(trial.took_seconds for trial in equal) / max(1, sum(trial.rounds for trial in equal))
    if len(logs) < 2 * BLOCK or not seconds:
        return None
    gate, rng = calibration.gate, np.random.default_rng(1)
    rounds = min(2 * gate.looks[-1], int(calibration.budget_seconds / seconds))
    blocks = rng.integers(0, len(logs), (checks, -(-rounds // BLOCK)))
    # two equal copies: which one is called the baseline is a toss
    drawn = logs[(blocks[..., None] + np.arange(BLOCK)) % len(logs)] * rng.choice([-1, 1], blocks.shape)[..., None]
    drawn = drawn.reshape(checks, -1)[:, :rounds]
    low, high = 0, len(GRID)  # the first point of the grid that is found often enough
    while low < high:
        middle = (low + high) // 2
        found = sum(_found(row - np.log1p(GRID[middle]), gate) for row in drawn) / checks
        low, high = (low, middle) if found >= power else (middle + 1, high)
    return float(GRID[low]) if low < len(GRID) else None


def _found(logs: Floats, gate: Gate) -> bool:
    """Whether these rounds, one batch after the other, are REGRESSED and confirmed."""
    start = 0
    for _ in range(2):
        for look in gate.looks:
            if start + look > len(logs):
                return False
            verdict, _ = gate.judge(logs[start : start + look])
            if verdict is not Verdict.INCONCLUSIVE:
                break
        if verdict is not Verdict.REGRESSED:
            return False
        start += look
    return True


def concluded(calibration: Calibration) -> Calibration:
    """The same with what takes a while to work out."""
    return dataclasses.replace(
        calibration, found_80=smallest_found(calibration, 0.8), found_95=smallest_found(calibration, 0.95)
    )


def table(calibration: Calibration) -> Table:
    """What a reader wants to know of this machine."""
    shares = sorted({trial.slowdown for trial in calibration.trials if trial.slowdown})
    equal = any(trial.slowdown == 0 for trial in calibration.trials)
    lines = [
        f"{calibration.engine} on {calibration.runtime}, {calibration.machine['cpu']}, {calibration.machine['cores']} cores; {calibration.created}",
        f"A trial is a check of one engine; threshold {calibration.gate.threshold:.1%}.",
        sees(calibration),
    ]
    for share in dict.fromkeys(trial.slowdown for trial in calibration.counts):
        seen = [1 / trial.ratio - 1 for trial in calibration.counts if trial.slowdown == share]
        alarms = sum(change > COUNT_THRESHOLD for change in seen)
        lines.append(
            f"{share:.1%} more instructions: {alarms} of {len(seen)} counts alarmed; seen as {min(seen):+.3%} to {max(seen):+.3%}"
        )
    for share in [0.0, *shares] if equal else shares:
        trials = [trial for trial in calibration.trials if trial.slowdown == share]
        rounds, seconds = (np.median([getattr(t, name) for t in trials]) for name in ("rounds", "took_seconds"))
        budget = trials[0].budget_seconds
        longest = max(trial.took_seconds for trial in trials)
        words = [trial.verdict for trial in trials]
        said = ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(sorted(words)))
        lines.append(
            f"{share:.1%} slower: {said}; {rounds:.0f} rounds, {seconds:.0f} s (median), {longest:.0f} s (longest of {budget:.0f} s allowed)"
        )
    return Table(
        title="What this machine can see",
        above=lines,
        headers=[
            "called slower by",
            *(["equal", "equal, a core burning"] if equal else []),
            *(f"{s:.1%} slower" for s in shares),
            "equal, one after the other",
        ],
        rows=rates(calibration),
        below=[
            "The same rounds for every rule, so the other tools' rules here profit from lockstep measuring; the last column",
            "has equal copies measured one after the other, as separate runs are, called different in either direction.",
        ],
    )


def sees(calibration: Calibration, whose: str = "this machine") -> str:
    """The line that later runs show."""
    often, mostly = calibration.found_95, calibration.found_80
    if often is None or mostly is None:
        return f"what {whose} can see is not known: too few trials of equal copies, or too much noise"
    budget = calibration.budget_seconds
    return (
        f"{whose} can see a slowdown of {often:.2%} or more in 95 % of checks, {mostly:.2%} in 80 %"
        f" (one engine, {budget:.0f} s; calibrated {calibration.created[:10]} with {calibration.engine} on {calibration.runtime})"
    )


# --------------------------------------------------------------------- on disk


def path_in(folder: pathlib.Path) -> pathlib.Path:
    """Where this machine's calibration is kept in a results folder."""
    return folder / "calibration" / f"{machine.describe()['identity']}.json"


def before(path: pathlib.Path, now: Calibration) -> Calibration:
    """What is on disk, to add to. Raises UsageError where that is another engine, build, gate or way of measuring."""
    found = load(path)
    for what in ("engine", "runtime", "build", "steps", "gate"):
        if getattr(found, what) != getattr(now, what):
            raise UsageError(f"{path} is of another {what} ({getattr(found, what)}): leave --add out to replace it")
    return found


def make_folder(path: pathlib.Path) -> None:
    """Make the folder that it is to be kept in. Raises UsageError where that cannot be done."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}: choose another --results folder") from None


def save(path: pathlib.Path, calibration: Calibration) -> None:
    """Write it, whole or not at all. Raises UsageError where that cannot be done."""
    make_folder(path)
    try:
        write_atomically(path, json.dumps(cattrs.unstructure(calibration), indent=None) + "\n")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}: choose another --results folder") from None


def load(path: pathlib.Path) -> Calibration:
    """Read it. Raises UsageError for a missing, damaged or newer one."""
    return store.read(path, Calibration, validity.check_calibration)


def note(folder: pathlib.Path) -> list[str]:
    """A line on what this machine can see, or another one with such a processor, or nothing where neither is known."""
    here, others = machine.describe(), []
    for path in sorted((folder / "calibration").glob("*.json")):
        try:
            found = load(path)
        except UsageError as error:
            if path == path_in(folder):
                return [f"what this machine can see is not known: {error}"]
            continue
        if found.machine.get("identity") == here["identity"]:
            return [sees(found)]
        if found.found_95 is not None and all(found.machine.get(name) == here[name] for name in ("cpu", "cores")):
            others.append(found)
    if not others:
        return []
    whose = f"another machine of {here['cores']} such processors ({here['cpu']})"
    newest = max(others, key=lambda found: found.created)
    return [f"{sees(newest, whose)}; what this one can see, microgpt-bench calibrate measures"]


def now() -> str:
    """UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
