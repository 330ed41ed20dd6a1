"""From the user's wishes to a plan: everything is checked here, before anything is written or started."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import importlib.metadata
import pathlib
import re
import shlex
import shutil
from collections.abc import Collection, Mapping, Sequence

import engines
from bench.host import datasets, interpreters, machine, results
from bench.host.deadline import Deadline
from bench.host.errors import UsageError
from bench.host.lockstep import REFERENCE, Plan, Subject
from bench.workload.config import Config
from bench.workload.data import Vocabulary, cut, read_documents
from bench.workload.gpt import count_parameters


@dataclasses.dataclass(frozen=True)
class Request:
    """What the user asked for. ``pythons`` and ``engine_names`` empty: all that there are.

    ``switches``: ``[RUNTIME:]NAME=VALUE …`` texts, each a further runtime beside every one that it fits.
    ``beside``: label to another copy of the sources; its engines of the same names become rows ``engine@label``, and so
    do files of the same names in its folder ``files``.
    ``slowdowns``: injected, by row. ``fill_blocks``: documents are longer than the block on purpose.
    """

    data: str
    config: Config
    engine_names: Sequence[str]
    pythons: Sequence[str]
    measuring: results.PlanRecord
    base: str | None
    command: Sequence[str]
    switches: Sequence[str] = ()
    beside: Mapping[str, pathlib.Path] = dataclasses.field(default_factory=dict)
    slowdowns: Mapping[str, float] = dataclasses.field(default_factory=dict)
    fill_blocks: bool = False


def prepare(request: Request, workspace: pathlib.Path) -> tuple[Plan, results.RunRecord, list[str]]:
    """The plan, what to record of it, and the lines about what was left out. Nothing is written but to ``workspace``.

    Raises UsageError, WorkloadError, EngineError.
    """
    chosen = _engines(request.engine_names)
    path = datasets.locate(request.data)
    documents = read_documents(path)
    runtimes, missing = find_runtimes(request.pythons, request.switches)
    if request.base not in (None, *(runtime.name for runtime in runtimes)):
        raise UsageError(
            f"no runtime {request.base} in this run: choose from {', '.join(runtime.name for runtime in runtimes)}"
        )
    source = _copy_source(workspace)
    subjects = {name: Subject(what, source) for name, what in chosen.items()}
    for label, other in request.beside.items():
        for name, what in chosen.items():
            own = other / "files" / f"{name}.py"  # an engine file of the user's, as it was
            if what.endswith(".py"):
                if own.is_file():
                    subjects[row_at(name, label)] = Subject(str(own), source)
            elif (other / "engines" / f"{name}.py").is_file():
                subjects[row_at(name, label)] = Subject(name, other)
    for row, slowdown in request.slowdowns.items():
        if row not in subjects:
            raise UsageError(f"no engine {row} in this run: choose from {', '.join(subjects)}")
        subjects[row] = dataclasses.replace(subjects[row], slowdown=slowdown)
    vocabulary = len(Vocabulary(documents))
    now = datetime.datetime.now(datetime.UTC)
    notes = [f"warning: {line}" for line in machine.warnings()]
    if not request.fill_blocks and (note := cut(documents, request.config.block_size)):
        notes.append(note)
    record = results.RunRecord(
        schema=results.SCHEMA,
        created=now.isoformat(timespec="seconds"),
        version=importlib.metadata.version("microgpt-bench"),
        command=shlex.join(request.command),
        workload=results.WorkloadRecord(
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
            runtime.name: results.RuntimeRecord(runtime.specification, runtime.environment, runtime.described)
            for runtime in runtimes
        },
        engines={
            name: results.EngineRecord(
                "",
                None,
                "",
                "bit-identical",
                _sha256(_engine_file(subject.source, subject.loads)),
                subject.loads if subject.loads.endswith(".py") else None,
            )
            for name, subject in subjects.items()
        },
        notes=notes,
        source_sha256=_source_sha256(source),
    )
    plan = Plan(
        subjects,
        runtimes,
        _copy_documents(path, workspace),
        request.config.record(),
        request.measuring,
        Deadline.of_command(request.measuring.budget_seconds),
    )
    return plan, record, missing


def resume(
    folder: pathlib.Path, workspace: pathlib.Path, only: Collection[str] | None = None
) -> tuple[Plan, results.Run]:
    """The plan of a run on disk, to go on with. Raises UsageError where anything it measures has changed since.

    ``only``: the runtimes to plan for and to look at; None for all.
    """
    run = results.load(folder)
    record = run.record
    source = _copy_source(workspace)
    if _source_sha256(source) != record.source_sha256:
        raise UsageError(f"the engines or the workload have changed since {folder} was begun: start a new run")
    if machine.describe()["identity"] != record.machine["identity"]:
        raise UsageError(f"{folder} was begun on another machine: start a new run")
    path = datasets.locate(record.workload.data)
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != record.workload.sha256:
        raise UsageError(f"the dataset {record.workload.data} has changed since {folder} was begun: start a new run")
    runtimes = []
    for name, about in record.runtimes.items():
        if only is not None and name not in only:
            continue
        runtime = interpreters.resolve(about.specification, {})
        if about.environment:
            runtime = interpreters.with_switches(runtime, about.environment)
        if runtime.described != about.described:
            raise UsageError(f"{about.specification} is another build than when {folder} was begun: start a new run")
        runtimes.append(dataclasses.replace(runtime, name=name))
    chosen = {name: engine.path or name for name, engine in record.engines.items()}
    for name, what in chosen.items():
        if _sha256(_engine_file(source, what)) != record.engines[name].source_sha256:
            raise UsageError(f"the engine {what} has changed since {folder} was begun: start a new run")
    subjects = {name: Subject(what, source) for name, what in chosen.items()}
    deadline = Deadline.of_command(record.plan.budget_seconds)
    plan = Plan(
        subjects, runtimes, _copy_documents(path, workspace), dict(record.workload.config), record.plan, deadline
    )
    return plan, run


def row_at(engine: str, label: str) -> str:
    """The row of an engine from another copy of the sources."""
    return f"{engine}@{label}"


# --------------------------------------------------------------------- parts


def _engines(names: Sequence[str]) -> dict[str, str]:
    """Table name to what the worker loads, the reference always among them. Raises EngineError."""
    chosen = {}
    for what in names or engines.NAMES:
        if what.endswith(".py"):
            path = pathlib.Path(what)
            if not path.is_file():
                raise engines.EngineError(f"no engine file {what}")
            if path.stem in engines.NAMES:
                raise engines.EngineError(f"{what} has the name of the built-in engine {path.stem!r}: rename the file")
            chosen[path.stem] = str(path.resolve())
        else:
            engines.check_name(what)
            chosen[what] = what
    return chosen if REFERENCE in chosen else {REFERENCE: REFERENCE, **chosen}


def find_runtimes(pythons: Sequence[str], switches: Sequence[str] = ()) -> tuple[list[interpreters.Runtime], list[str]]:
    """The runtimes asked for, or the default matrix; and a line for each that was left out. Raises UsageError."""
    missing: list[str] = []
    if pythons:
        plain = [interpreters.resolve(python, {}) for python in pythons]
    else:
        plain, missing = interpreters.matrix({})
        if not plain:
            raise UsageError(
                f"none of CPython {', '.join(interpreters.default_versions())} is installed: give one with --python PATH"
            )
    runtimes = list(plain)
    for text in switches:
        which, environment = _parse_switches(text)
        fitting = [runtime for runtime in plain if which in ("", runtime.name, runtime.specification)]
        if not fitting:
            raise UsageError(f"--env {text}: no runtime {which} here: choose from {', '.join(r.name for r in plain)}")
        for runtime in fitting:
            try:
                runtimes.append(interpreters.with_switches(runtime, environment))
            except UsageError as error:
                if pythons or which:  # asked for by name
                    raise
                missing.append(f"skipped: {error}")
    return interpreters.with_distinct_names(runtimes), missing


def _parse_switches(text: str) -> tuple[str, dict[str, str]]:
    """``[RUNTIME:]NAME=VALUE [NAME=VALUE …]`` as the runtime's name or version, "" for all, and the variables."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"--env {text}: {error}: quote as in a shell, NAME='a value'") from None
    if not words:
        raise UsageError("--env is empty: write NAME=VALUE, as in --env PYTHON_JIT=1")
    which, colon, first = words[0].partition(":")
    if colon and "=" not in which:
        words[0] = first
    else:
        which = ""
    for word in words:
        if not re.fullmatch(r"[A-Za-z_]\w*=.*", word):
            raise UsageError(f"--env {text}: {word!r} is not NAME=VALUE, as in --env PYTHON_JIT=1")
    return which, dict(word.split("=", 1) for word in words)


def _copy_source(workspace: pathlib.Path) -> pathlib.Path:
    """A copy of what a worker imports, so that a run measures one state of it, edited meanwhile or not."""
    source = workspace / "source"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(interpreters.ROOT / "bench" / "workload", source / "bench" / "workload", ignore=ignore)
    shutil.copy(interpreters.ROOT / "bench" / "__init__.py", source / "bench")
    shutil.copytree(interpreters.ROOT / "engines", source / "engines", ignore=ignore)
    for built in (interpreters.ROOT / "native").glob("*.so"):  # where it was built in place
        (source / "native").mkdir(exist_ok=True)
        shutil.copy(built, source / "native")
    return source


def _copy_documents(path: pathlib.Path, workspace: pathlib.Path) -> pathlib.Path:
    return pathlib.Path(shutil.copy(path, workspace / "documents.txt"))


def _engine_file(source: pathlib.Path, what: str) -> pathlib.Path:
    return pathlib.Path(what) if what.endswith(".py") else source / "engines" / f"{what}.py"


def _sha256(path: pathlib.Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _source_sha256(source: pathlib.Path) -> str:
    """One digest of every Python file that a worker may import."""
    digest = hashlib.sha256()
    for path in sorted(source.rglob("*.py")):
        digest.update(f"{path.relative_to(source).as_posix()} {_sha256(path)}\n".encode())
    return digest.hexdigest()
