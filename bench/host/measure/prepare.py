"""From a request to a plan: everything is checked here, before anything is written or started."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import importlib.metadata
import pathlib
import shlex
from collections.abc import Collection, Mapping, Sequence

import engines
from bench.host.measure import compilers, compiling, engine_files, finding, revision, sources, trajectory
from bench.host.measure.plan import Plan
from bench.host.results import store
from bench.host.results.records import REFERENCE, SCHEMA, PlanRecord, RunRecord, RuntimeRecord, WorkloadRecord
from bench.host.results.run import Run
from bench.host.system import datasets, interpreters, machine
from bench.host.system.deadline import Deadline
from bench.host.system.errors import UsageError
from bench.workload.config import Config
from bench.workload.data import Vocabulary, cut, read_documents
from bench.workload.gpt import count_parameters

COMPILE_KINDS = ("run", "scale", "peers")  # of runs that may have compiled engines


@dataclasses.dataclass(frozen=True)
class Request:
    """What the user asked for. ``pythons`` and ``engine_names`` empty: all that there are.

    ``switches``: ``[RUNTIME:]NAME=VALUE …`` texts, each a further runtime beside every one that it fits.
    ``against``: git revision at which the engines become rows of their own, to hold today's against.
    ``slowdowns``: injected, by row. ``kind``: the command that asks, one of kinds.KINDS.
    ``spread``: time steps from all over the training run, or these ones, from 1, after ``lead_in`` of its first steps in
    every process, whose memory is ``aged`` before; otherwise time its first ones. ``found``: the runtimes that a pool has, and what it has not.
    """

    data: str
    config: Config
    engine_names: Sequence[str]
    pythons: Sequence[str]
    measuring: PlanRecord
    base: str | None
    command: Sequence[str]
    switches: Sequence[str] = ()
    against: str | None = None
    slowdowns: Mapping[str, float] = dataclasses.field(default_factory=dict)
    kind: str = "run"
    spread: bool | Sequence[int] = False
    lead_in: int = 0
    aged: bool = True
    found: tuple[list[interpreters.Runtime], list[str]] | None = None


def prepare(request: Request, workspace: pathlib.Path) -> tuple[Plan, RunRecord, list[str]]:
    """The plan, what to record of it, and the lines about what was left out. Nothing is written but to ``workspace``.

    Raises UsageError, WorkloadError, EngineError.
    """
    chosen = choose(request.engine_names)
    _check_compiled(request, chosen)
    path = datasets.locate(request.data)
    read_documents(path)  # what is wrong with it is said of the user's own file
    path = sources.copy_documents(path, workspace)
    documents = read_documents(path)
    runtimes, missing = request.found or finding.find_runtimes(request.pythons, request.switches)
    if request.base not in (None, *(runtime.name for runtime in runtimes)):
        raise UsageError(
            f"no runtime {request.base} in this run: choose from {', '.join(runtime.name for runtime in runtimes)}"
        )
    source = sources.copy_source(workspace)
    taken, notes = take_all(chosen, source, workspace / "files", runtimes)
    before = None
    if request.against is not None:
        # the reference may be here only to prove the others by
        asked = {
            row: engine
            for row, engine in chosen.items()
            if not request.engine_names or row in request.engine_names or engine.endswith(".py")
        }
        before, old = revision.before(request.against, asked, not request.engine_names, workspace, source)
        taken |= old
    subjects = {row: one.subject for row, one in taken.items()}
    for row, slowdown in request.slowdowns.items():
        if row not in subjects:
            raise UsageError(f"no engine {row} in this run: choose from {', '.join(subjects)}")
        subjects[row] = dataclasses.replace(subjects[row], slowdown=slowdown)
    record = _record(request, path, documents, runtimes)
    record = dataclasses.replace(
        record,
        notes=[*record.notes, *notes],
        engines={row: one.record for row, one in taken.items()},
        source_sha256=sources.digest(source),
    )
    settings, way = request.measuring, None
    if request.spread is not False:
        steps = settings.steps if request.spread is True else request.spread
        try:
            way = trajectory.of(path, request.config, steps, request.lead_in, workspace, settings.budget_seconds)
            settings = way.planned(settings, _aged(request, runtimes, missing))
        except trajectory.OutOfReach as why:
            missing.append(f"the first steps are timed, not steps from all over the training run: {why}")
    plan = Plan(
        subjects,
        runtimes,
        path,
        request.config.record(),
        settings,
        Deadline.of_command(settings.budget_seconds),
        before,
        way,
    )
    return plan, dataclasses.replace(record, plan=settings), missing


def _aged(request: Request, runtimes: Sequence[interpreters.Runtime], missing: list[str]) -> bool:
    """Whether every process is aged. All or none: a young one and an aged one are not comparable."""
    if not request.aged or request.config.schedule_steps < trajectory.AGES:
        return False
    others = [one.name for one in runtimes if not trajectory.ages(one.described)]
    if others:
        missing.append(
            f"processes are not aged: {', '.join(others)} has not CPython's usual allocator, and a long run leaves another's"
            " memory otherwise; --from-start --steps 200 trains as long"
        )
    return not others


def resume(
    folder: pathlib.Path, workspace: pathlib.Path, only: Collection[str] | None = None, pooled: bool = False
) -> tuple[Plan, Run]:
    """The plan of a run on disk, to go on with. Raises UsageError where anything it measures has changed since.

    ``only``: the runtimes to plan for and to look at; None for all. ``pooled``: a pool measures, and looks at its own.
    """
    run = store.load(folder)
    record = run.record
    if record.merged:
        raise UsageError(f"{folder} was merged of other runs: measure another one, and merge again")
    source = sources.copy_source(workspace)
    if sources.digest(source) != record.source_sha256:
        raise UsageError(f"the engines or the workload have changed since {folder} was started: start a new run")
    if not pooled and machine.describe()["identity"] != record.machine["identity"]:
        raise UsageError(f"{folder} was started on another machine: start a new run")
    lacking = set(record.plan.affinity or ()) - machine.allowed_cpus() if not pooled else set()
    if lacking:
        raise UsageError(f"{folder} needs CPU {min(lacking)}, which is not available here: start a new run")
    path = datasets.locate_again(record.workload.data)
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != record.workload.sha256:
        raise UsageError(f"the dataset {record.workload.data} has changed since {folder} was started: start a new run")
    runtimes = finding.of_run(folder, record.runtimes, only, pooled)
    compiled = [row for row in record.engines if compilers.split(row)[1]]
    if compiled and pooled:
        raise UsageError(
            f"{folder} has the compiled engine {compiled[0]}, which a pool does not measure: go on without it"
        )
    for row, engine in record.engines.items():
        if engine.path is None and compilers.split(row)[0] not in engines.NAMES:
            raise UsageError(
                f"{folder} has the row {row} of another revision, which only check can measure: start a new check"
            )
    loads = {row: engine.path or row for row, engine in record.engines.items()}
    taken, _ = take_all(loads, source, workspace / "files", runtimes)
    for row, one in taken.items():
        if one.record.source_sha256 != record.engines[row].source_sha256:
            raise UsageError(f"the engine {loads[row]} has changed since {folder} was started: start a new run")
    subjects = {row: one.subject for row, one in taken.items()}
    path, config, way = sources.copy_documents(path, workspace), dict(record.workload.config), None
    if record.plan.at is not None:
        try:
            way = trajectory.of(
                path,
                Config(**config),  # type: ignore[arg-type]
                record.plan.at,
                record.plan.lead_in,
                workspace,
                None,
            )
        except trajectory.OutOfReach:
            way = None
        if way is None or way.sha256 != record.plan.states_sha256:
            raise UsageError(f"the training run that {folder} is of cannot be computed again here: start a new run")
    deadline = Deadline.of_command(record.plan.budget_seconds)
    return Plan(subjects, runtimes, path, config, record.plan, deadline, trajectory=way), run


# --------------------------------------------------------------------- parts


def choose(names: Sequence[str]) -> dict[str, str]:
    """Row to what it stands for, the reference always among them. Raises EngineError."""
    chosen = engine_files.rows(names or engines.NAMES)
    return chosen if REFERENCE in chosen else {REFERENCE: REFERENCE, **chosen}


def _record(
    request: Request, path: pathlib.Path, documents: Sequence[str], runtimes: Sequence[interpreters.Runtime]
) -> RunRecord:
    """What to record of a run but for its engines. ``path``: of the documents."""
    vocabulary = len(Vocabulary(documents))
    now = datetime.datetime.now(datetime.UTC)
    notes = [f"warning: {line}" for line in machine.warnings()]
    # scale has documents that are longer on purpose
    if request.kind != "scale" and (note := cut(documents, request.config.block_size)):
        notes.append(note)
    return RunRecord(
        schema=SCHEMA,
        created=now.isoformat(timespec="seconds"),
        version=importlib.metadata.version("microgpt-bench"),
        command=shlex.join(request.command),
        workload=WorkloadRecord(
            data=request.data,
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            documents=len(documents),
            vocabulary=vocabulary,
            parameters=count_parameters(request.config, vocabulary),
            config=request.config.record(),
        ),
        plan=request.measuring,
        machine=machine.describe(),
        runtimes={
            runtime.name: RuntimeRecord(runtime.specification, runtime.environment, runtime.described)
            for runtime in runtimes
        },
        engines={},
        notes=notes,
        kind=request.kind,
        source_sha256="",
    )


def _check_compiled(request: Request, chosen: Mapping[str, str]) -> None:
    """Raises UsageError for compiled engines where they cannot be measured."""
    compiled = next((row for row in chosen if compilers.split(row)[1]), None)
    if compiled and request.found is not None:
        raise UsageError(f"a pool's machines do not compile: leave {compiled} out, or measure without --cluster")
    if compiled and request.kind not in COMPILE_KINDS:
        raise UsageError(
            f"{request.kind} measures engine files as they are: leave {compiled} out"
            f" ({', '.join(COMPILE_KINDS)} measure compiled ones)"
        )


def take_all(
    chosen: Mapping[str, str], source: pathlib.Path, folder: pathlib.Path, runtimes: Sequence[interpreters.Runtime]
) -> tuple[dict[str, engine_files.Taken], list[str]]:
    """By row, what stands behind each; and a line for each that was compiled. Raises EngineError."""
    taken, notes = {}, []
    for number, (row, engine) in enumerate(chosen.items()):
        plain, compiler = compilers.split(engine)
        below = folder / f"new{number}"
        taken[row] = take(plain, source, below)
        if compiler:
            loads = taken[row].subject.loads
            file = pathlib.Path(loads) if loads.endswith(".py") else source / "engines" / f"{plain}.py"
            taken[row], more = compiling.take(taken[row], file, compiler, folder / f"built{number}", runtimes)
            notes += more
    return taken, notes


def take(engine: str, source: pathlib.Path, folder: pathlib.Path) -> engine_files.Taken:
    """An engine as it is now; of a file, a copy in ``folder``. Raises EngineError."""
    if not engine.endswith(".py"):
        return engine_files.builtin(engine, source)
    path = pathlib.Path(engine)
    return engine_files.take(path.name, engine_files.OnDisk(path.parent), folder, source, engine)
