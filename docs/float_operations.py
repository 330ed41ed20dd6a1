"""What one operation on floating-point numbers costs the interpreter's loop, on several Pythons: by instructions and in time.

    python docs/float_operations.py --python 3.14 --python 3.15 --python 3.15+jit

Each piece of code has seven operations on the same eight numbers. Instructions are counted by callgrind, twice with different
numbers of repetitions, so that only those of the operations are left: all of them, those that jump to the next bytecode,
and those that read or write the C stack, where a compiler keeps what finds no place in a register. Times are taken in turns, in
fresh processes each round, and paired. Writes results/builds/floats.json, from which results/builds.md has its table.

Needs Valgrind, objdump, and interpreters that are no position-independent executables, as Debian's are none.
"""

from __future__ import annotations

import argparse
import collections
import functools
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
from typing import Any

from bench.host.stats.paired import paired_ratio
from bench.host.system import interpreters

FILE = pathlib.Path(__file__).resolve().parents[1] / "results" / "builds" / "floats.json"
OPERATIONS = 7
EXPRESSIONS = {
    "copies of names": "p = a; q = b; r = c; s = d; t = e; u = f; v = g",
    "sums of products, all results named": "p = a * b; q = c * d; r = e * f; s = g * h; p = p + q; r = r + s; p = p + r",
    "one sum of products": "p = a * b + c * d + e * f + g * h",
    "one product": "p = a * b * c * d * e * f * g * h",
}
STACK = re.compile(r"-?0x[0-9a-f]+\(%r[sb]p\)|\(%rsp\)|^(push|pop|leave)")
JUMP = re.compile(r"^(notrack )?jmp +\*")
WORKER = """
import json, sys, time
order = json.loads(sys.argv[1])
scope = {}
exec("def turn(n, a, b, c, d, e, f, g, h):\\n for _ in range(n): " + order["text"], scope)
turn, numbers = scope["turn"], (1.1, 0.9, 1.2, 0.8, 1.3, 0.7, 1.4, 0.6)
for _ in range(60):
    turn(100, *numbers)  # specialized, and compiled where there is a JIT
if order["count"]:
    turn(order["count"], *numbers)
for line in sys.stdin:
    begin = time.process_time_ns()
    turn(order["repeat"], *numbers)
    print(time.process_time_ns() - begin, flush=True)
"""
COUNTED = (1_000, 21_000)  # repetitions
REPEAT = 100_000  # of a turn
TURNS = 10
Runtimes = dict[str, interpreters.Runtime]


def find(names: list[str]) -> Runtimes:
    """By name; +jit behind one is the same Python with its JIT on."""
    found = {}
    for name in names:
        plain, plus, _ = name.partition("+jit")
        runtime = interpreters.resolve(plain, {})
        found[name] = interpreters.with_switches(runtime, {"PYTHON_JIT": "1"}) if plus else runtime
    return found


def start(runtime: interpreters.Runtime, under: tuple[str, ...] = (), **order: Any) -> subprocess.Popen[str]:
    """A process that knows one expression."""
    words = [*under, runtime.executable, "-s", "-B", "-c", WORKER, json.dumps({"count": 0, "repeat": REPEAT, **order})]
    environment = {**interpreters.worker_environment(runtime.environment), "PYTHONHASHSEED": "0"}
    return subprocess.Popen(words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def counted(runtime: interpreters.Runtime, text: str, repetitions: int) -> collections.Counter[int]:
    """How often each instruction of the interpreter was executed, by address."""
    counts: collections.Counter[int] = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "counts"
        tool = ("valgrind", "-q", "--tool=callgrind", "--dump-instr=yes", f"--callgrind-out-file={out}")
        process = start(runtime, tool, text=text, count=repetitions)
        process.communicate()
        if process.returncode:
            sys.exit(f"{runtime.name}: no count from Valgrind")
        address, called = 0, False
        for line in out.read_text().splitlines():
            if line.startswith("calls="):
                called = True  # the next line has what was spent in the function that was called
            elif match := re.fullmatch(r"(0x[0-9a-f]+|[+-]\d+|\*) \S+ (\d+)", line):
                word = match[1]
                address = int(word, 16) if word[1:2] == "x" else address + (0 if word == "*" else int(word))
                counts[address] += 0 if called else int(match[2])
                called = False
    return counts


@functools.cache
def listing(program: str) -> dict[int, str]:
    """A program's instructions by address, disassembled."""
    command = ["objdump", "-d", "--no-show-raw-insn", program]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {int(match[1], 16): match[2] for match in re.finditer(r"^ *([0-9a-f]+):\t(.*)", text, re.M)}


def instructions(runtime: interpreters.Runtime, text: str) -> dict[str, float]:
    """Of one operation: all instructions, jumps to the next bytecode, and accesses of the C stack."""
    few, many = (counted(runtime, text, number) for number in COUNTED)
    code = listing(os.path.realpath(runtime.executable))
    per = (COUNTED[1] - COUNTED[0]) * OPERATIONS
    spent = {address: (number - few[address]) / per for address, number in many.items()}
    return {
        "instructions": sum(spent.values()),
        "jumps": sum(share for address, share in spent.items() if JUMP.search(code.get(address, ""))),
        "stack": sum(share for address, share in spent.items() if STACK.search(code.get(address, ""))),
    }


def times(runtimes: Runtimes, rounds: int) -> dict[str, dict[str, list[list[float]]]]:
    """By expression and runtime the seconds of each turn, rounds by turns, all taken in turns."""
    taken: dict[str, dict[str, list[list[float]]]] = {text: {name: [] for name in runtimes} for text in EXPRESSIONS}
    cells = [(text, name) for text in EXPRESSIONS for name in runtimes]
    for number in range(rounds):
        workers = {cell: start(runtimes[cell[1]], text=EXPRESSIONS[cell[0]]) for cell in cells}
        for cell in cells:
            taken[cell[0]][cell[1]].append([])
        for turn in range(TURNS):
            for cell in cells if (turn + number) % 2 else reversed(cells):
                process = workers[cell]
                assert process.stdin and process.stdout
                process.stdin.write("\n")
                process.stdin.flush()
                taken[cell[0]][cell[1]][-1].append(int(process.stdout.readline()) * 1e-9)
        for process in workers.values():
            process.communicate()
    return taken


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--python", action="append", required=True, metavar="PYTHON", help="the first is the base")
    parser.add_argument("--rounds", type=int, default=12, help="of fresh processes (12)")
    wanted = parser.parse_args()
    runtimes = find(wanted.python)
    taken, base = times(runtimes, wanted.rounds), wanted.python[0]
    rows = []
    for text, code in EXPRESSIONS.items():
        for name, runtime in runtimes.items():
            mine = taken[text][name]
            ratio = paired_ratio(taken[text][base], mine) if name != base else None
            fastest = min(min(turns) for turns in mine) / REPEAT / OPERATIONS * 1e9
            rows.append(
                {
                    "expression": text,
                    "code": code,
                    "python": name,
                    "version": runtime.described["python"],
                    **({} if runtime.described["jit"] == "on" else instructions(runtime, code)),
                    "nanoseconds": round(fastest, 2),
                    "times_as_fast": ratio and [ratio.value, ratio.low, ratio.high],
                }
            )
    command = " ".join(["python docs/float_operations.py", *(f"--python {name}" for name in wanted.python)])
    FILE.write_text(json.dumps({"command": f"{command} --rounds {wanted.rounds}", "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
