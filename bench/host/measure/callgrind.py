"""Instructions and cache misses of each phase of a step, by function of the interpreter, under Valgrind's callgrind.

A worker trains one round of a few documents, then another one, as in valgrind.py, and calls a function of the module
``os`` where a phase ends (bench/workload/phases.py): callgrind writes down what was counted since the last such call. The
second round's are kept. So the counts are the steps' alone, they repeat as a whole process's do, and it takes one process.

The sort ends where an engine sets the loss's own gradient to 1. A line is put there into the copy of the engine's file
that is counted. An engine that has no such line has no sort of its own.

Functions are told apart by the symbols of the interpreter, which it must have, or its debug package beside it. Of other
libraries the name of the file stands for all functions. A function that the compiler put into another one is part of that.

The **caches** are simulated: no prefetching, least recently used line out, one process alone. They have fixed sizes, those of
a common processor's own caches, so that a count is the same on any machine.
"""

from __future__ import annotations

import collections
import pathlib
import re
from collections.abc import Mapping
from typing import Any

from bench.host.measure import valgrind
from bench.host.measure.valgrind import CannotCount
from bench.host.results.breakdown import CACHES, Counts
from bench.host.system.interpreters import Runtime
from bench.host.system.workspace import Workspace
from bench.workload.phases import ENDS

CYCLE = 2  # documents
SORTED = re.compile(r"^( +)((?:self|loss)\.grad = 1(?:\.0)?)$", re.MULTILINE)
INTERPRETER = re.compile(r"(lib)?python\d")  # the file whose functions are told apart
NAMELESS = 0.5  # of an interpreter's instructions, at most: above, it has no symbols


def by_function(
    runtime: Runtime,
    source: pathlib.Path,
    engine: str,
    documents: pathlib.Path,
    config: Mapping[str, Any],
    gc: str,
    timeout: float,
) -> dict[str, dict[str, Counts]]:
    """By phase and function the counts of a step, means over CYCLE documents.

    Raises CannotCount, EngineUnavailable.
    """
    with Workspace() as workspace:
        process = valgrind.prepare(workspace.folder, runtime, source, engine, documents, config, gc, CYCLE, timeout)
        for file in [*process.folder.glob("source/engines/*.py"), *process.folder.glob("files/*.py")]:
            text = file.read_text(encoding="utf-8")
            file.write_text(SORTED.sub(rf"\1\2; __import__('os').{ENDS['sort']}()", text), encoding="utf-8")
        out = process.folder / "parts" / "counted"
        out.parent.mkdir()
        caches = [f"--{name}={size},{ways},{line}" for name, (size, ways, line) in CACHES.items()]
        ends = [f"--dump-before=os_{function}*" for function in ENDS.values()]
        tool = ["--tool=callgrind", f"--callgrind-out-file={out}", "--cache-sim=yes", "--dump-line=no", *caches, *ends]
        process.run(tool, steps=2 * CYCLE, phases=True)
        parts = [_Part(path) for path in sorted(out.parent.iterdir(), key=_number)]
    return _means(parts, runtime.name)


def _number(path: pathlib.Path) -> int:
    """Parts are numbered in order; the last one has no number, and is not of a step."""
    return int(path.suffix[1:]) if path.suffix[1:].isdecimal() else 1 << 30


def _means(parts: list[_Part], runtime: str) -> dict[str, dict[str, Counts]]:
    """Raises CannotCount where there are too few parts, or where the interpreter's functions have no names."""
    no_symbols = (
        f"{runtime} has no symbols that would tell its functions apart: install those of its package"
        " (Debian: python3.X-dbg), or give a build that has them"
    )
    starts = [number for number, part in enumerate(parts) if part.phase == "between"][-CYCLE:]
    if len(starts) < CYCLE:
        raise CannotCount(no_symbols)
    found: dict[str, dict[str, Counts]] = {phase: collections.defaultdict(lambda: [0.0] * 3) for phase in ENDS}
    del found["between"]
    for part in parts[starts[0] + 1 :]:
        for function, counts in part.functions.items() if part.phase in found else ():
            total = found[part.phase][function]
            for i, count in enumerate(counts):
                total[i] += count / CYCLE
    named = sum(counts[0] for functions in found.values() for counts in functions.values())
    nameless = sum(functions["?"][0] for functions in found.values() if "?" in functions)
    if nameless > NAMELESS * named:
        raise CannotCount(no_symbols)
    return {phase: dict(functions) for phase, functions in found.items() if functions}


class _Part:
    """What callgrind wrote down at the end of a phase, of each function alone.

    Its format: https://valgrind.org/docs/manual/cl-format.html
    """

    def __init__(self, path: pathlib.Path) -> None:
        self.phase = ""
        self.functions: dict[str, Counts] = collections.defaultdict(lambda: [0.0] * 3)
        self._names: dict[tuple[str, str], str] = {}
        self._events: list[str] = []
        self._read(path)

    def _read(self, path: pathlib.Path) -> None:
        functions = {f"os_{function}": phase for phase, function in ENDS.items()}
        library = function = ""
        of_a_call = False
        with path.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                word, _, rest = line.rstrip("\n").partition("=" if "=" in line else ":")
                if line[0] in "0123456789+-*":
                    if not of_a_call:
                        self._add(_key(library, function), line.split()[1:])
                    of_a_call = False
                elif word in ("ob", "cob"):
                    name = self._name("ob", rest)
                    library = name if word == "ob" else library
                elif word in ("fn", "cfn"):
                    name = self._name("fn", rest)
                    function = name if word == "fn" else function
                elif word == "calls":
                    of_a_call = True
                elif line.startswith("events:"):
                    self._events = line.split()[1:]
                elif line.startswith("desc: Trigger: --dump-before"):
                    self.phase = functions.get(line.strip().partition("=")[2].partition(".")[0], "")

    def _name(self, kind: str, text: str) -> str:
        """A name is written once, with a number that stands for it from then on."""
        number, _, name = text.partition(" ")
        return self._names.setdefault((kind, number), name)

    def _add(self, function: str, numbers: list[str]) -> None:
        """Trailing zeros are left out of a line."""
        counts = dict(zip(self._events, map(int, numbers)))
        total = self.functions[function]
        total[0] += counts.get("Ir", 0)
        total[1] += sum(counts.get(event, 0) for event in ("I1mr", "D1mr", "D1mw"))
        total[2] += sum(counts.get(event, 0) for event in ("ILmr", "DLmr", "DLmw"))


def _key(library: str, function: str) -> str:
    return key(pathlib.PurePath(library).name, function)


def key(library: str, function: str) -> str:
    """A function's name without what compilers and callgrind add to it; "?" where it has none; other libraries' files."""
    if not INTERPRETER.match(library):
        return library or "?"
    # recursive calls of a function have numbers, parts and specialised copies of it a word
    return "?" if function.startswith("0x") or not function else re.split(r"[.']", function)[0]
