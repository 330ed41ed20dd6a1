"""Samples of the interpreter's functions while an engine trains, by Linux's perf: where its time goes, misses and all.

perf looks at a clock of the processor time, from outside, so it needs no counters of the hardware. The process trains the
documents that callgrind.py counts, again and again from the same weights, and is looked at once it has trained each.
"""

from __future__ import annotations

import collections
import json
import pathlib
import re
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

from bench.host.measure.callgrind import CYCLE, key
from bench.host.measure.valgrind import CannotCount
from bench.host.system import processes
from bench.host.system.interpreters import Runtime, worker_environment
from bench.host.system.workspace import Workspace

SAMPLES_PER_SECOND = 999  # not in step with what happens every millisecond
TRAIN = """\
import sys, json, gc, time
sys.path[0], order = sys.argv[1], json.loads(sys.argv[2])
gc.freeze()
from bench.workload.config import Config
from bench.workload.trainer import Trainer
trainer = Trainer(order["engine"], order["documents"], Config(**order["config"]))
if "off" in (order["gc"], trainer.engine.collector):
    gc.disable()
before = trainer.snapshot()
def cycle():
    for _ in range(order["cycle"]):
        trainer.step()
    trainer.restore(before)
cycle()
print("\\n" + sys.argv[3], flush=True)
end = time.monotonic() + order["seconds"]
while time.monotonic() < end:
    cycle()
"""
LONGER = 30  # seconds that perf may take to begin
TRAINED = "every document was trained once"
SAMPLE = re.compile(r"\s*[0-9a-f]+ (.*) \((.*)\)$")


def perf_version() -> str:
    """Such as ``perf version 6.1``. Raises CannotCount where there is none."""
    try:
        return subprocess.run([_perf(), "--version"], capture_output=True, text=True, timeout=30).stdout.strip()
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotCount(f"perf does not run ({error})") from None


def _perf() -> str:
    program = shutil.which("perf")
    if program is None:
        raise CannotCount(
            "no samples are taken: no perf on PATH; get it with `apt install linux-perf` or the system's own package manager"
        )
    return program


def by_function(
    runtime: Runtime,
    source: pathlib.Path,
    engine: str,
    documents: pathlib.Path,
    config: Mapping[str, Any],
    gc: str,
    seconds: float,
) -> dict[str, int]:
    """The number of samples in each function, named as callgrind.py does, within about ``seconds``. Raises CannotCount."""
    order = {"engine": engine, "documents": str(documents), "config": dict(config), "gc": gc, "cycle": CYCLE}
    order["seconds"] = seconds + LONGER  # it ends by itself, whatever becomes of who looks at it
    with Workspace() as workspace:
        data = workspace.folder / "samples"
        training = subprocess.Popen(
            [runtime.executable, "-s", "-B", "-c", TRAIN, str(source), json.dumps(order), TRAINED],
            env=worker_environment(runtime.environment),
            cwd=source,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            assert training.stdout is not None and training.stderr is not None
            if not any(line == TRAINED.encode() + b"\n" for line in training.stdout):
                lines = training.stderr.read().decode(errors="replace").strip().splitlines()
                raise CannotCount(f"no samples: {lines[-1] if lines else 'the interpreter ended'}")
            rate = ["-e", "cpu-clock", "-F", str(SAMPLES_PER_SECOND)]
            _run("record", *rate, "-p", str(training.pid), "-o", str(data), "--", "sleep", f"{seconds:g}")
        finally:
            processes.end(training)
        lines = _run("script", "-i", str(data), "-F", "ip,sym,dso").splitlines()
    return dict(collections.Counter(_function(*match.groups()) for match in map(SAMPLE.match, lines) if match))


def _run(*arguments: str) -> str:
    """What perf prints. Raises CannotCount with what it says in place of it."""
    done = subprocess.run([_perf(), *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise CannotCount(f"no samples from perf: {lines[0].strip() if lines else 'no message'}")
    return done.stdout


def _function(symbol: str, file: str) -> str:
    if file.startswith("[kernel") or file.endswith((".ko", "]")):
        return "(kernel)"
    return key(pathlib.PurePath(file).name, "" if symbol == "[unknown]" else symbol)
