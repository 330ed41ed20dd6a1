"""Where an engine's time goes, by a sampling profiler outside the process, which slows nothing down.

Unlike tracing profilers they don't make calls dearer than arithmetic. Two serve: py-spy, which reads every CPython from 3.9
on, and the interpreter's own, profiling.sampling of CPython 3.15 and newer, which also sees the cyclic garbage collector
at work (the frame <GC>).
"""

from __future__ import annotations

import collections
import dataclasses
import html
import json
import pathlib
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import engines
from bench.host.measure import engine_files, finding, prepare
from bench.host.results.run import Run
from bench.host.system import datasets, interpreters
from bench.host.system.errors import UsageError
from bench.host.system.interpreters import ROOT, Runtime, worker_environment
from bench.host.system.progress import RunProgress
from bench.host.system.workspace import Workspace
from bench.workload.config import Config
from bench.workload.data import read_documents
from bench.workload.model_file import write_atomically

SAMPLES_PER_SECOND = 500
PROFILERS = ("py-spy", "own")
TRAIN = """\
import sys, json, time
source, order = sys.argv[1], json.loads(sys.argv[2])
sys.path[0] = source
from bench.workload.config import Config
from bench.workload.trainer import Trainer
trainer = Trainer(order["engine"], order["documents"], Config(**order["config"]))
trainer.step()
end = time.monotonic() + order["seconds"]
while time.monotonic() < end:
    trainer.step()
"""


@dataclasses.dataclass(frozen=True)
class Subject:
    """What is looked at: an engine that trains for ``seconds`` in an interpreter, imported from ``source``."""

    runtime: Runtime
    source: pathlib.Path
    engine: str
    documents: pathlib.Path
    config: Mapping[str, Any]
    seconds: float

    def __str__(self) -> str:
        return f"{self.engine} on {self.runtime.name}"


def find_py_spy() -> str:
    """py-spy's path. Raises UsageError where there is none, saying how to get it."""
    beside = pathlib.Path(sys.executable).with_name("py-spy")
    program = str(beside) if beside.exists() else shutil.which("py-spy")
    if program is None:
        raise UsageError(
            "profiling needs py-spy, which is not installed: python -m pip install py-spy, or use --profiler own for"
            " CPython 3.15 and newer"
        )
    return program


def graph_path(engine: str, output: pathlib.Path | None, profiler: str) -> pathlib.Path:
    """The flame graph's file: ``output``, or the engine's name. Raises UsageError for a suffix that no browser would open."""
    suffix = ".svg" if profiler == "py-spy" else ".html"
    path = output or pathlib.Path(f"{pathlib.Path(engine).stem}{suffix}")
    if path.suffix != suffix:
        raise UsageError(f"{path}: the flame graph of {profiler} needs a name that ends in {suffix}")
    return path


def profile(
    engine: str, python: str | None, data: str, config: Config, seconds: float, graph: pathlib.Path, profiler: str
) -> tuple[Runtime, list[tuple[str, float]]]:
    """`top_functions` of an engine on a Python, the newest CPython for None, and the flame graph in a file.

    Raises UsageError, WorkloadError, EngineError.
    """
    engines.load(engine)
    (runtime,), _ = finding.find_runtimes([interpreters.newest() if python is None else python])
    (source_engine,) = engine_files.rows([engine]).values()
    documents = datasets.locate(data).resolve()
    read_documents(documents)  # can it be trained on?
    with Workspace() as workspace:  # both are of one state of the engine
        loads = prepare.take(source_engine, ROOT, workspace.folder / "files").subject.loads
        subject = Subject(runtime, ROOT, loads, documents, config.record(), seconds)
        shares = top_functions(subject, profiler)
        flame_graph(graph.resolve(), subject, profiler)
    return runtime, shares


def top_functions(subject: Subject, profiler: str = "py-spy") -> list[tuple[str, float]]:
    """Functions with their share of the samples (0 to 1) in which they themselves were running, largest first.

    Raises UsageError where the profiler is missing or can't look into the interpreter.
    """
    with Workspace() as workspace:
        path = workspace.folder / "stacks.txt"
        _record(subject, profiler, "stacks", path)
        counts: collections.Counter[str] = collections.Counter()
        for line in path.read_text(encoding="utf-8").splitlines():
            stack, _, count = line.rpartition(" ")
            frames = [_function(frame, profiler) for frame in stack.split(";")]
            if any(re.match(r"(Trainer\.)?step \(", frame) for frame in frames):  # training, and not start-up
                counts[frames[-1]] += int(count)
    total = sum(counts.values())
    if not total:
        raise UsageError(f"{profiler} recorded no step of {subject}: give more --seconds")
    return [(function, count / total) for function, count in counts.most_common()]


def of_run(run: Run, name: str, seconds: float) -> dict[str, list[tuple[str, float]]]:
    """`top_functions` of every engine that was measured on a run's runtime ``name``. Raises UsageError."""
    runtime = finding.find_again(name, run.record.runtimes[name])
    documents, config = datasets.locate_again(run.record.workload.data).resolve(), run.record.workload.config
    profiles = {}
    cells = [engine for engine in run.record.engines if run.ok((engine, name))]
    with RunProgress(len(cells)) as progress:
        for engine in cells:
            progress.advance(f"profile of {engine}")
            loads = run.record.engines[engine].path or engine
            with Workspace() as workspace:
                taken = prepare.take(loads, ROOT, workspace.folder / "files")
                if loads != engine and taken.record.source_sha256 != run.record.engines[engine].source_sha256:
                    raise UsageError(f"{loads} has changed since {run.folder.name} was measured: measure again")
                profiles[engine] = top_functions(
                    Subject(runtime, ROOT, taken.subject.loads, documents, config, seconds)
                )
    return profiles


def flame_graph(path: pathlib.Path, subject: Subject, profiler: str = "py-spy") -> None:
    """Write a file that opens in a browser, to look into by clicking. Raises UsageError."""
    _record(subject, profiler, "graph", path)
    if profiler == "py-spy":
        text = path.read_text(encoding="utf-8")
        # the whole command stands for a title, and of long names their beginning, which is the function's, is cut off
        title = re.sub(r'(<text id="title"[^>]*>)[^<]*', lambda match: match[1] + html.escape(str(subject)), text)
        write_atomically(path, title.replace("truncate_text_right = false", "truncate_text_right = true"))


def _function(frame: str, profiler: str) -> str:
    """A frame as ``function (file.py)``; a compiled function's file is its pseudo name."""
    if profiler == "py-spy":  # function (folder/file.py)
        return re.sub(r" \(.*[/\\]([^/\\]+)\)$", r" (\1)", frame)
    file, _, rest = frame.partition(":")
    function, _, _ = rest.rpartition(":")
    return f"{function} ({file})" if function else frame


def _record(subject: Subject, profiler: str, kind: str, path: pathlib.Path) -> None:
    order = {"engine": subject.engine, "documents": str(subject.documents), "config": dict(subject.config),
             "seconds": subject.seconds}  # fmt: skip
    python = subject.runtime.executable
    with Workspace() as workspace:
        script = workspace.folder / "train.py"
        script.write_text(TRAIN, encoding="utf-8")
        training = [str(script), str(subject.source), json.dumps(order)]
        if profiler == "py-spy":
            form = {"stacks": ["--format", "raw", "--function"], "graph": ["--format", "flamegraph"]}[kind]
            rate = ["--rate", str(SAMPLES_PER_SECOND), "--nonblocking"]
            command = [find_py_spy(), "record", *rate, *form, "--output", str(path), "--", python, "-s", *training]
        else:
            form = {"stacks": ["--collapsed"], "graph": ["--flamegraph"]}[kind]
            rate = ["--sampling-rate", str(SAMPLES_PER_SECOND)]
            command = [python, "-s", "-m", "profiling.sampling", "run", *rate, *form, "-o", str(path), *training]
        done = subprocess.run(
            command,
            env=worker_environment(subject.runtime.environment),
            cwd=subject.source,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
    if done.returncode or not path.exists():
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        if profiler == "own" and "No module named" in (lines[-1] if lines else ""):
            raise UsageError(
                f"{subject.runtime.name} has no built-in profiler, which needs CPython 3.15 or newer: use --profiler py-spy"
            )
        reason = next((line for line in lines if "Error" in line), lines[-1] if lines else "no message")
        raise UsageError(f"{profiler} cannot profile {subject}: {reason.strip()}")
