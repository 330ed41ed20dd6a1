"""Exact counts of the instructions that a step takes, in processes under Valgrind.

**Instructions** are what Valgrind's cachegrind counts (cache and branch simulation off) over a whole process, for two
numbers of steps; the difference is the steps' own, as start-up, warm-up and the end are the same in both. Training goes
round in a few documents and the two numbers are a multiple of them apart, so every engine is counted on the same work. A
fast engine goes round more often: the number of rounds is the power of two that reaches ``ENOUGH`` instructions, found
by a first count, hence the same each time.

What made the count vary, and what is done about it:

- **where the source lies**: the length of its path moves every later allocation. Then sets of graph nodes, hashed by
  address, collide otherwise, lists grow in place or are copied, pools of memory empty or don't: up to 0.3 %
  (`microgpt-bench calibrate --counts 8` shows it). Each count copies source and documents to a path of a fixed length.
- **the environment**: it is copied into ``os.environ`` at start. The process gets a fixed one.
- **the hash seed**: it is 0.
- **the clock**: a worker measures how long a step takes, to know how often to repeat it. The order ``count`` doesn't.
- **the collector's phase**: its counts begin at zero with the first step, whatever start-up allocated.
- **compiled files**: none are written (``-B``), so no process finds more of them than the one before.
- **threads** of NumPy's and others' libraries: one, as waiting in a loop is counted too.
- **address randomization** needs nothing: Valgrind lays the process's memory out itself.

Then on CPython the count of the same files repeats to the last instruction. Between two *different* sources the layout
can't be kept: a longer docstring moves allocations as a longer path does. ``layout`` shifts them on purpose, so that a
difference can be looked at in several layouts before it is believed.

On PyPy the count varies a little all the same, most of it in what its JIT compiles, and as in a run the steps are
a cold JIT's: compiling is in them. A count is one interpreter build's on one kind of machine: C libraries choose their
code by the processor.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import pathlib
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from bench.host.measure.worker_process import MARK, START, EngineUnavailable
from bench.host.system import processes
from bench.host.system.deadline import Deadline
from bench.host.system.errors import UsageError
from bench.host.system.interpreters import Runtime
from bench.host.system.workspace import Workspace

CYCLE = 6  # documents to go round in, at most
WARM_UP = 3  # steps of the smaller count
ENOUGH = 200_000_000  # instructions to count over
MOST_ROUNDS = 1024
PATH_LENGTH = 160
LAYOUT_BYTES = 16
TURN = 30  # instructions of a turn of an empty loop, about
TIMEOUT = 300.0
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM")}
KEPT = ("LD_LIBRARY_PATH", "VALGRIND_LIB")  # without them an interpreter or Valgrind may not start


class CannotCount(UsageError):
    """Instructions can't be counted here, or not of this cell; the message is one line and says why."""


@dataclasses.dataclass(frozen=True)
class Instructions:
    """Instructions ``per_step``, from counts of ``steps[0]`` and ``steps[1]`` steps, in rounds of ``cycle`` documents."""

    per_step: float
    steps: tuple[int, int]
    cycle: int


def find_valgrind() -> str:
    """Valgrind's path. Raises CannotCount where there is none, saying how to get it."""
    if not sys.platform.startswith("linux"):
        raise CannotCount("instructions are not counted: that takes Valgrind on Linux")
    program = shutil.which("valgrind")
    if program is None:
        raise CannotCount(
            "instructions are not counted: no valgrind on PATH; get it with `apt install valgrind` or the system's own package manager"
        )
    return program


def valgrind_version() -> str:
    """Such as ``valgrind-3.19.0``. Raises CannotCount."""
    try:
        done = subprocess.run([find_valgrind(), "--version"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotCount(f"instructions are not counted: valgrind does not run ({error})") from None
    return done.stdout.strip()


def instructions_per_step(
    runtime: Runtime,
    source: pathlib.Path,
    engine: str,
    documents: pathlib.Path,
    config: Mapping[str, Any],
    *,
    gc: str = "on",
    cycle: int = CYCLE,
    steps: tuple[int, int] | None = None,
    slowdown: float = 0.0,
    layout: int = 0,
    timeout: float = TIMEOUT,
    deadline: Deadline | None = None,
) -> Instructions:
    """Instructions a step of ``engine`` takes on ``runtime``; the same every time.

    ``source``: a folder with bench/workload and engines. ``steps``: those of an earlier count, to count over the same;
    None chooses them. ``slowdown``: a known share of the step's instructions to put in, as an empty loop whose cost is
    counted first. ``layout``: shifts the memory layout. ``timeout``: seconds for one process, which is
    killed at the ``deadline`` too. Raises CannotCount, EngineUnavailable where the engine lacks something on this
    runtime, and OutOfTime.
    """
    with Workspace() as workspace:
        process = prepare(
            workspace.folder, runtime, source, engine, documents, config, gc, cycle, timeout, deadline, layout
        )
        count = _count(process, cycle, steps)
        if slowdown:
            wanted = slowdown * count.per_step
            turns = math.ceil(wanted / TURN)
            # what a turn costs depends on how many there are: it is counted at about as many
            costs = _count(process, cycle, count.steps, extra=turns).per_step - count.per_step
            if costs < turns:
                raise CannotCount("no slowdown can be put in: this interpreter leaves an empty loop out")
            count = _count(process, cycle, count.steps, extra=round(turns * wanted / costs))
        return count


def prepare(
    folder: pathlib.Path,
    runtime: Runtime,
    source: pathlib.Path,
    engine: str,
    documents: pathlib.Path,
    config: Mapping[str, Any],
    gc: str,
    cycle: int,
    timeout: float,
    deadline: Deadline | None = None,
    layout: int = 0,
) -> Counted:
    """A worker to count, with copies of all that it reads in ``folder``; the arguments are those of `instructions_per_step`."""
    folder = _fixed_length(folder, PATH_LENGTH + layout * LAYOUT_BYTES)
    order = {"engine": engine, "config": dict(config), "gc": gc, "cycle": cycle, "extra": 0}
    shutil.copytree(source, folder / "source", ignore=shutil.ignore_patterns("__pycache__"))
    if engine.endswith(".py"):  # a file of the user's, with what belongs to it: its path is in the count too
        own = pathlib.Path(engine)
        order["engine"] = str(shutil.copytree(own.parent, folder / "files") / own.name)
    process = Counted(runtime, folder, order, timeout, deadline or Deadline())
    shutil.copy(documents, process.documents)
    return process


def _count(process: Counted, cycle: int, steps: tuple[int, int] | None, extra: int = 0) -> Instructions:
    few, many = steps or (WARM_UP, WARM_UP + cycle)
    base = process.total(few, extra)
    per_step = (process.total(many, extra) - base) / (many - few)
    if steps is None:
        rounds = 1
        while rounds * cycle * per_step < ENOUGH and rounds < MOST_ROUNDS:
            rounds *= 2
        if rounds > 1:
            many = few + rounds * cycle
            per_step = (process.total(many, extra) - base) / (many - few)
    return Instructions(per_step, (few, many), cycle)


class Counted:
    """A worker under Valgrind that carries out one order and ends."""

    def __init__(
        self, runtime: Runtime, folder: pathlib.Path, order: dict[str, Any], timeout: float, deadline: Deadline
    ) -> None:
        self.runtime, self.folder, self.timeout, self.deadline = runtime, folder, timeout, deadline
        self.documents = folder / "documents.txt"
        self.order = {"do": "count", "documents": str(self.documents), **order}
        self.valgrind = find_valgrind()

    def total(self, steps: int, extra: int) -> int:
        """Instructions of a whole process that trains ``steps`` steps."""
        counted = self.folder / "counted"
        tool = ["--tool=cachegrind", "--cache-sim=no", "--branch-sim=no", f"--cachegrind-out-file={counted}"]
        errors = self.run(tool, steps=steps, extra=extra)
        try:
            summary = re.search(r"^summary: (\d+)", counted.read_text(errors="replace"), re.MULTILINE)
        except OSError:
            summary = None
        if summary is None:
            raise CannotCount(_why(0, errors))
        counted.unlink()
        return int(summary[1])

    def run(self, tool: Sequence[str], **more: Any) -> str:
        """Carry out the order, with ``more`` in it, under a tool of Valgrind's; what it left on standard error.

        Raises CannotCount, EngineUnavailable, OutOfTime.
        """
        source = str(self.folder / "source")
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        # spaces after it make every order as long as the next one, and its buffer the same
        order = json.dumps({**self.order, **more}).ljust(4096) + "\n"
        try:
            done = subprocess.run(
                [
                    self.valgrind,
                    "--command-line-only=yes",
                    *tool,
                    *(self.runtime.executable, "-s", "-B", "-c", START, source),
                ],
                input=order.encode(),
                capture_output=True,
                env={
                    **kept,
                    **ONE_THREAD,
                    "LC_ALL": "C.UTF-8",
                    "PYTHONHASHSEED": "0",
                    processes.MARKER: str(self.folder),  # below the workspace, and of a fixed length
                    **self.runtime.environment,
                },
                cwd=source,
                start_new_session=True,
                timeout=self.deadline.timeout(self.timeout),
            )
        except subprocess.TimeoutExpired:
            self.deadline.timeout(0)
            raise CannotCount(f"{more['steps']} steps under Valgrind took longer than {self.timeout:.0f} s") from None
        except OSError as error:
            raise CannotCount(f"cannot run {self.valgrind}: {error.strerror}") from None
        errors = done.stderr.decode(errors="replace")
        try:
            answer = json.loads(done.stdout.partition(MARK + b"\n")[2].splitlines()[0])
        except (IndexError, ValueError):
            answer = {}
        if "unavailable" in answer:
            raise EngineUnavailable(answer["unavailable"])
        if "attribute 'count'" in answer.get("error", ""):
            raise CannotCount("its worker is of another version and counts nothing yet: choose a newer revision")
        if "error" in answer:
            raise CannotCount(f"under Valgrind: {answer['error']}")
        if done.returncode != 0 or "loss" not in answer:
            raise CannotCount(_why(done.returncode, errors))
        return errors


def _why(status: int, errors: str) -> str:
    """One line from what Valgrind and the interpreter left on standard error."""
    if "unhandled instruction" in errors or "Unrecognised instruction" in errors:
        return "Valgrind does not know an instruction that this interpreter uses: a newer Valgrind may"
    own = [line for line in errors.splitlines() if line.strip() and not re.match(r"(==|--)\d+(==|--)", line)]
    return f"no count from Valgrind, exit status {status}: {own[-1].strip() if own else 'no message'}"


def _fixed_length(folder: pathlib.Path, length: int) -> pathlib.Path:
    """A folder in ``folder`` whose path has ``length`` characters, wherever temporary files are kept."""
    missing = length - len(str(folder)) - 1
    if missing < 1:
        raise CannotCount(
            f"the path of temporary files {folder.parent} is too long to count in: set TMPDIR to a shorter one"
        )
    made = folder / ("_" * missing)
    made.mkdir()
    return made
