"""Where an engine's time goes, by py-spy: a sampling profiler outside the process, which slows nothing down.

Unlike tracing profilers it doesn't make calls dearer than arithmetic, and it reads every CPython from 3.9 on.
"""

from __future__ import annotations

import collections
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from typing import Any

from bench.host.errors import UsageError
from bench.host.interpreters import Runtime, worker_environment

SAMPLES_PER_SECOND = 500
TRAIN = (
    "import sys, json, time; sys.path[0] = sys.argv[1]; order = json.loads(sys.argv[2])\n"
    "from bench.workload.config import Config\n"
    "from bench.workload.trainer import Trainer\n"
    "trainer = Trainer(order['engine'], order['documents'], Config(**order['config']))\n"
    "trainer.step()\n"
    "end = time.monotonic() + order['seconds']\n"
    "while time.monotonic() < end:\n"
    "    trainer.step()\n"
)


def find_py_spy() -> str:
    """py-spy's path. Raises UsageError where there is none, saying how to get it."""
    beside = pathlib.Path(sys.executable).with_name("py-spy")
    found = str(beside) if beside.exists() else shutil.which("py-spy")
    if found is None:
        raise UsageError("profiles are py-spy's, which is not installed: python -m pip install py-spy")
    return found


def top_functions(
    runtime: Runtime,
    source: pathlib.Path,
    engine: str,
    documents: pathlib.Path,
    config: Mapping[str, Any],
    seconds: float,
) -> list[tuple[str, float]]:
    """Functions with their share of the samples (0 to 1) in which they themselves were running, largest first.

    Training goes on for ``seconds``. Raises UsageError where py-spy can't look into the interpreter.
    """
    with tempfile.TemporaryDirectory(prefix="microgpt-bench-") as folder:
        raw = pathlib.Path(folder) / "raw.txt"
        _record(
            ["--format", "raw", "--function", "--output", str(raw)], runtime, source, engine, documents, config, seconds
        )
        counts: collections.Counter[str] = collections.Counter()
        for line in raw.read_text(encoding="utf-8").splitlines():
            stack, _, count = line.rpartition(" ")
            if "Trainer.step (" in stack or ";step (" in stack:  # training, and not start-up
                counts[re.sub(r" \(.*[/\\]([^/\\]+)\)$", r" (\1)", stack.split(";")[-1])] += int(count)
    total = sum(counts.values())
    if not total:
        raise UsageError(f"py-spy saw no step of {engine} on {runtime.name}: give it more --seconds")
    return [(function, count / total) for function, count in counts.most_common()]


def flame_graph(
    path: pathlib.Path,
    runtime: Runtime,
    source: pathlib.Path,
    engine: str,
    documents: pathlib.Path,
    config: Mapping[str, Any],
    seconds: float,
) -> None:
    """Write an SVG that opens in a browser, to look into by clicking. Raises UsageError."""
    options = ["--format", "flamegraph", "--output", str(path)]
    _record(options, runtime, source, engine, documents, config, seconds)


def _record(
    options: list[str],
    runtime: Runtime,
    source: pathlib.Path,
    engine: str,
    documents: pathlib.Path,
    config: Mapping[str, Any],
    seconds: float,
) -> None:
    order = {"engine": engine, "documents": str(documents), "config": dict(config), "seconds": seconds}
    interpreter = [runtime.executable, "-s", "-c", TRAIN, str(source), json.dumps(order)]
    done = subprocess.run(
        [find_py_spy(), "record", "--rate", str(SAMPLES_PER_SECOND), "--nonblocking", *options, "--", *interpreter],
        env=worker_environment(runtime.environment),
        cwd=source,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        reason = next((line for line in lines if "Error" in line), lines[-1] if lines else "no message")
        raise UsageError(f"py-spy cannot profile {engine} on {runtime.name}: {reason.strip()}")
