"""A whole calibration: the copies of an engine, the trials between them, and the file that is saved after each."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Mapping, Sequence

from bench.host.gate import calibrate
from bench.host.gate.calibrate import TrialPlan, Trials
from bench.host.gate.pooled import TrialRounds
from bench.host.measure import engine_files, pooled, revision
from bench.host.measure.hands import Hands
from bench.host.measure.plan import Plan
from bench.host.measure.pool_machine import Machine
from bench.host.measure.prepare import Request
from bench.host.measure.session import Session
from bench.host.results import calibration, power
from bench.host.results.calibration import Calibration, CountTrial
from bench.host.results.machines import Description
from bench.host.results.records import SCHEMA, PlanRecord
from bench.host.results.run import Run
from bench.host.stats.sequential import Gate
from bench.host.system import interpreters
from bench.host.system.deadline import Deadline
from bench.host.system.errors import Interrupted, UsageError
from bench.host.system.interpreters import Runtime
from bench.workload.config import Config
from bench.workload.data import DEFAULT


@dataclasses.dataclass(frozen=True)
class Asked:
    """How many trials to do. ``slowdowns``: each a share of a step, and how many times the ``budget`` its trials have.

    ``equal``: number of trials of two equal copies; ``trials``: of each slowdown; ``counts``: of comparisons of instruction
    counts without a slowdown, and as many with the slowdown ``more``. ``burn``: a process keeps another core busy in half of
    the trials. ``budget`` of a trial and ``limit`` of all, in seconds.
    """

    equal: int
    slowdowns: Sequence[tuple[float, float]]
    trials: int
    counts: int
    more: float
    burn: bool
    limit: float
    budget: float
    gate: Gate


def request(engine: str, python: str | None, budget: float, command: Sequence[str]) -> Request:
    """What is measured in every trial: ``engine`` on one runtime, the newest unless ``python`` says another."""
    return Request(
        data=DEFAULT,
        config=Config(),
        engine_names=[engine],
        pythons=[interpreters.newest() if python is None else python],
        measuring=PlanRecord(6, 0, 0.02, 60.0, budget, "on", order_seed=0, clock="cpu"),
        base=None,
        command=command,
        kind="calibrate",
    )


def run(session: Session, what: Request, asked: Asked, folder: pathlib.Path, add: bool) -> Calibration:
    """Do the trials; the calibration as it is kept in this results folder.

    ``add``: to the calibration that is there. Raises UsageError, WorkloadError, EngineError; Interrupted, with the
    finished trials, where the user ends it early.
    """
    row, wanted = _prepare(session, what, asked, folder)
    session.run = Run(session.folder, session.record, [])  # of these rounds only the trials are kept
    now, path = begin(session, row, session.plan.runtimes[0], asked, folder, add, session.record.machine)
    interrupted = _fill(session, now, wanted, asked, path)
    concluded = _concluded([(now, path)])
    if interrupted:
        raise Interrupted(concluded[0])
    return concluded[0]


def run_on_pool(
    session: Session, what: Request, asked: Asked, folder: pathlib.Path, add: bool, cluster: str, wait: float
) -> list[Calibration]:
    """The same on each machine of a pool: a calibration of each, by its identity."""
    if asked.counts:
        raise UsageError("instructions are counted on one machine: give --counts without --cluster")
    with pooled.joined(what, cluster, wait) as (pool, what):
        row, wanted = _prepare(session, what, asked, folder)

        def of(machine: Machine, runtime: Runtime) -> tuple[Trials, Callable[[], None]]:
            now, path = begin(session, row, runtime, asked, folder, add, machine.about["machine"])
            kept.append((now, path))
            own = Run(session.folder, session.record, [])
            trials = Trials(runtime.name, own, row, wanted, asked.burn, asked.gate, now.trials)
            return trials, lambda: calibration.save(path, now)

        kept: list[tuple[Calibration, pathlib.Path]] = []
        interrupted = False
        try:
            with session.measuring(None, lambda: "", "rounds") as progress:
                progress.say(f"{row}, into {folder / 'calibration'}; Ctrl-C ends it and keeps the finished trials")
                Hands(session, pool, TrialRounds(session.plan, of, progress), progress).measure()
        except Interrupted:
            interrupted = True
        concluded = _concluded(kept)
        if interrupted:
            raise Interrupted(concluded)
        return concluded


def _prepare(session: Session, what: Request, asked: Asked, folder: pathlib.Path) -> tuple[str, dict[str, TrialPlan]]:
    """The row of the engine, and what is wanted of its copies, which stand in the plan from now on. The folder is ours."""
    session.prepare(what)
    place = calibration.path_in(folder)
    calibration.make_folder(place)
    session.lock(place.parent)
    (row,) = engine_files.rows(what.engine_names)
    wanted = _wanted(row, asked)
    session.plan = _with_copies(session.plan, row, wanted, asked.limit)
    return row, wanted


def begin(
    session: Session, row: str, runtime: Runtime, asked: Asked, folder: pathlib.Path, add: bool, about: Description
) -> tuple[Calibration, pathlib.Path]:
    """A machine's calibration without trials, or with ``add`` those that it has, and its file. Raises UsageError."""
    path = calibration.path_of(folder, about)
    now = Calibration(
        *(SCHEMA, session.record.created, session.record.command, row, runtime.name, runtime.described["build"]),
        *(session.record.plan.steps, asked.budget, asked.gate, dict(about)),
        trials=[],
        counts=[],
    )
    if add and path.is_file():
        earlier = calibration.before(path, now)
        now.trials.extend(earlier.trials)
        now.counts.extend(earlier.counts)
    return now, path


def _concluded(kept: Sequence[tuple[Calibration, pathlib.Path]]) -> list[Calibration]:
    """Those that have trials, with what they say, saved. Raises UsageError for none."""
    some = [(power.concluded(now), path) for now, path in kept if now.trials or now.counts]
    if not some:
        raise UsageError("no trial finished: give more time with --limit")
    for concluded, path in some:
        calibration.save(path, concluded)
    return [concluded for concluded, _ in some]


def _wanted(row: str, asked: Asked) -> dict[str, TrialPlan]:
    """What is wanted of each copy of the engine: of equal ones, and of slower ones."""
    copies = min(calibrate.COPIES, max(1, asked.equal // 2))
    wanted = {
        revision.row_at(row, f"equal{number}"): TrialPlan(0.0, (asked.equal + number) // copies, asked.budget)
        for number in range(copies)
    }
    for share, times in asked.slowdowns:
        wanted[revision.row_at(row, f"{share:.2%}")] = TrialPlan(share, asked.trials, asked.budget * times)
    return wanted


def _with_copies(plan: Plan, row: str, wanted: Mapping[str, TrialPlan], limit: float) -> Plan:
    """The plan with the copies beside the engine."""
    copies = {copy: dataclasses.replace(plan.engines[row], slowdown=want.slowdown) for copy, want in wanted.items()}
    return dataclasses.replace(
        plan, engines={**plan.engines, **copies}, deadline=Deadline(limit, plan.deadline.started)
    )


def _fill(session: Session, now: Calibration, wanted: dict[str, TrialPlan], asked: Asked, path: pathlib.Path) -> bool:
    """Add trials to the calibration and save it after each; whether the user ended it."""

    def save_counts(counts: list[CountTrial]) -> None:
        now.counts[:] = counts
        calibration.save(path, now)

    try:
        with session.measuring(None, lambda: "") as progress:
            for line in session.record.notes:
                progress.say(line)
            progress.say(f"{now.engine} on {now.runtime}, into {path}; Ctrl-C ends it and keeps the finished trials")
            trials = Trials(*(now.runtime, session.run, now.engine, wanted, asked.burn, asked.gate, now.trials))
            calibrate.measure(session.plan, trials, progress, lambda: calibration.save(path, now))
            if asked.counts:
                calibrate.measure_counts(
                    session.plan, now.engine, asked.more, asked.counts, session.folder, progress, save_counts
                )
    except Interrupted:
        return True
    return False
