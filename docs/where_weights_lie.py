"""Writes docs/where_weights_lie.md: why the training steps of microgpt.py get slower, and what three passes change.

    nox -s weights -- [--python PYTHON]... [--counted PYTHON] [--steps N] [--run RUN]

Addresses on each interpreter; cache misses under Valgrind's callgrind, with caches of this machine's sizes, on one; times
from a run's folder, made by the command that the page names.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile
from typing import Any

from bench import load_run
from bench.host.pages.rendering import grid
from bench.host.pages.warm_up import STAGES
from bench.host.pages.wording import ratio_text, runtime_line
from bench.host.system import interpreters

HERE = pathlib.Path(__file__).resolve().parent
PAGE = HERE / "where_weights_lie.md"
WORKER = HERE / "weights_in_memory.py"
ENGINES = ("reference", "grouped_adam")
COUNTED = 2  # steps
TIMED = 12
DOCUMENT = "marianna"  # the one that counted steps train on
D1, L2 = "49152,12,64", "2097152,16,64"  # bytes, ways, bytes of a line: those of the processor that times were taken on

TOP = """# Where the weights lie

The training steps of microgpt.py get slower over the first hundred steps, although the number of nodes stays the same. The cause
is neither the values of the weights nor the age of the process: a new process that loads the trained weights is as fast as
one that starts from random weights. The cause is where the numbers lie in memory.

In CPython each float is an object. In every step, Adam makes three new floats for each parameter: a first moment, a second
moment and a weight. microgpt.py then sets the gradient to 0. That frees the gradient's float, which was allocated during the
backward pass, in the middle of the step's graph. CPython gives the place that was freed last to the next object of that size.
So the next parameter's moment or weight (which one depends on the version) is allocated there. From step to step such places
pass between the three kinds: the floats spread through the memory of the graph, farther and farther apart.

{addresses}

step: training steps done before. cache lines (64 bytes), pages (4 kB): how many of them hold weights. bytes to the next: median
distance from a weight to the next. pages of all: pages that hold weights or moments. in gradients' places: share of the weights
and moments that the step put where a gradient had been. nodes side by side: share of the step's nodes that lie next to the node
that backward visits before, at most 128 bytes away.

`grouped_adam` computes the same numbers with the same operations, but in separate passes: first all first moments, then all second
moments, then all weights. Only then does it free the gradients. The weights stay as close together as they were, and none of
them keeps a place in the graph's memory. The share of nodes that lie side by side, in the order in
which backward visits them, falls for both in the first steps; the reference's goes on falling.

## What it costs

A pool of memory that holds one weight does not become empty when the graph is freed. So the next graph fills the holes in such
pools, in the order in which they were freed, instead of whole pools from one end to the other. And at each position of a
document all weights are read, from many more pages. The same document, in four states, on CPython {counted}:

{misses}

ms: CPU time of the fastest of {timed} such steps. *trained*: after {steps} steps in the same process. *loaded*: the
same weights and moments, read into a fresh process. Misses are those of Valgrind's callgrind, with a first-level cache of
{d1} kB and a second level of {l2} kB, on the document `{document}`. Where a trained process takes longer but has no more
misses than a loaded one, the cost comes from what the simulated cache leaves out: address translation (one lookup per page), and
prefetching, which helps sequential reads. The table of pages above agrees: where weights spread over few pages, separate
passes gain little.

## How a young process is aged

A default run times six steps, and cannot train a hundred before them with every engine. So each process puts its memory in the disorder of a
long run first (`bench/workload/aging.py`):

1. It counts how many blocks of memory, of which sizes, the graph of a document of median length takes.
2. It allocates as many, and moves each weight and moment into the place of one of the floats among them, drawn at random.
3. It frees the others in random order.

No number changes. The untimed steps that follow are the engine's own: `grouped_adam` has its numbers together again after
four of them, and the reference's stay where they are. [The agreement](../results/agreement.md) of such a run with a whole
training run is measured. Engines that keep whole rows of numbers, as `compiled` does, stay as they are; so do all on PyPy, which moves
objects. Other allocators than CPython's usual one leave [other disorder](../results/builds.md#allocators-in-a-long-run), which this does not make. So a
run in which a Python has one (`PYTHONMALLOC=malloc`, a free-threaded build) ages no process, and says so.

A program that measures can undo this disorder. Ours did: in a step with untimed ones before it, it held the numbers of the state before
until the step was over. So the update could not put new numbers in their places, and made all of them somewhere else, together.
One such step, and each later one took as long as in a young process.

## What separate passes gain

"""

END = """Speedup over the reference, paired step by step, by steps; {data}, {rounds_text} of fresh processes in lockstep, on {cpu}{notes}:

{times}

{builds}

`float_constants`, for comparison, writes 0.0 and 1.0 where microgpt.py writes the ints 0 and 1.

Engines gain if they keep a float for each weight and free its gradient as soon as the weight is made. `tape` and `fused_dot` are
such engines. This file adds the separate passes to `tape`, and `--engine tape --engine tape_grouped.py` compares the two:

```python
from engines.grouped_adam import Adam
from engines.tape import ENGINE

ENGINE = ENGINE.variant("tape_grouped", "Adam's update in passes", optimizer=Adam)
```

`combined` does not: it first reads all gradients into a list, so that their places are in use until the weights are made.
Neither do engines whose weights are rows: they replace whole rows.

## How to make this page again

```
{command}
microgpt-bench run {pythons} --engine reference --engine grouped_adam --engine float_constants --steps {run_steps} --rounds {rounds} --data names --name weights
```
"""


def ask(python: str, *words: object, under: tuple[str, ...] = ()) -> Any:
    """What the worker prints. Raises SystemExit where it fails."""
    command = [*under, python, "-s", "-B", str(WORKER), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        sys.exit(f"{' '.join(command)}: {last}")
    return json.loads(done.stdout.splitlines()[-1])


def address_table(pythons: dict[str, str], steps: int) -> str:
    """Of both engines on each interpreter."""
    headers = [
        "CPython",
        "engine",
        "step",
        "cache lines",
        "pages",
        "bytes to the next",
        "pages of all",
        "in gradients' places",
        "nodes side by side",
    ]
    rows = []
    for version, python in pythons.items():
        for engine in ENGINES:
            for row in ask(python, "look", engine, steps):
                numbers = [f"{row[name]:,.0f}" for name in ("lines", "pages", "gap", "all_pages")]
                shares = [f"{row[name]:.0%}" if row["step"] else "" for name in ("share", "beside")]
                rows.append([version, engine, str(row["step"]), *numbers, *shares])
    return grid(headers, rows, "github")


def miss_table(python: str, steps: int) -> str:
    """Of the reference's three states, and of grouped_adam trained."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        state = f"{folder}/state.json"
        ask(python, "save", "reference", steps, state)
        cases = [("reference", "fresh", 0, "-"), ("reference", "trained", steps, "-"),
                 ("reference", "loaded", 0, state), ("grouped_adam", "trained", steps, "-")]  # fmt: skip
        for engine, name, before, file in cases:
            counted = pathlib.Path(folder) / "counted"
            valgrind = ("valgrind", "--tool=callgrind", "--instr-atstart=no", "--cache-sim=yes", f"--D1={D1}", f"--LL={L2}",
                        f"--callgrind-out-file={counted}")  # fmt: skip
            ask(python, "count", engine, before, file, DOCUMENT, COUNTED, under=valgrind)
            text = max(pathlib.Path(folder).glob("counted.*"), key=lambda path: path.stat().st_size).read_text()
            names = re.search(r"^events: (.*)", text, re.M)
            numbers = re.search(r"^totals: (.*)", text, re.M)
            assert names and numbers
            totals = {name: int(number) / COUNTED for name, number in zip(names[1].split(), numbers[1].split())}
            for path in pathlib.Path(folder).glob("counted*"):
                path.unlink()
            fastest = ask(python, "clock", engine, before, file, DOCUMENT, TIMED)
            rows.append([engine, name, f"{fastest:.1f}", *(f"{number / 1e6:,.2f}" for number in (
                totals["Ir"], totals["D1mr"] + totals["D1mw"], totals["DLmr"] + totals["DLmw"]))])  # fmt: skip
    return grid(
        [
            "engine",
            "state",
            "ms",
            "million instructions",
            "million misses, first level",
            "million misses, second level",
        ],
        rows,
        "github",
    )


def times_table(run: Any) -> str:
    """Speedup over the reference by ranges of steps, on each runtime."""
    steps = run.record.plan.steps
    ranges = [(first, min(last, steps)) for first, last in STAGES if first <= steps]
    rows = []
    for runtime in run.record.runtimes:
        for engine in run.record.engines:
            if engine != "reference":
                ratios = [run.speedup(engine, runtime, steps=slice(first - 1, last)) for first, last in ranges]
                rows.append([runtime, engine, *("–" if ratio is None else ratio_text(ratio) for ratio in ratios)])
    return grid(["runtime", "engine", *(f"steps {first} to {last}" for first, last in ranges)], rows, "github")


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--python", action="append", metavar="PYTHON", help="an interpreter for the addresses")
    parser.add_argument("--counted", default="3.14", metavar="PYTHON", help="the interpreter for the cache misses")
    parser.add_argument("--steps", type=int, default=60, help="steps of training (60)")
    parser.add_argument("--counted-steps", type=int, default=20, help="steps before those that are counted (20)")
    parser.add_argument("--run", required=True, help="a run to take times from: its folder, or its name under results/")
    wanted = parser.parse_args()
    named = wanted.python or ["3.11", "3.14"]
    pythons = {version: interpreters.resolve(version, {}).executable for version in named}
    run = load_run(wanted.run)
    text = TOP.format(
        addresses=address_table(pythons, wanted.steps),
        misses=miss_table(interpreters.resolve(wanted.counted, {}).executable, wanted.counted_steps),
        counted=wanted.counted,
        steps=wanted.counted_steps,
        timed=TIMED,
        document=DOCUMENT,
        d1=int(D1.partition(",")[0]) // 1024,
        l2=int(L2.partition(",")[0]) // 1024,
    )
    text += END.format(
        times=times_table(run),
        pythons=" ".join(f"--python {name.removeprefix('cpython-')}" for name in run.record.runtimes),
        run_steps=run.record.plan.steps,
        rounds=len(run.rounds),
        command=" ".join(
            [
                "nox -s weights --",
                *(f"--python {version}" for version in pythons),
                f"--counted {wanted.counted}",
                f"--counted-steps {wanted.counted_steps} --steps {wanted.steps} --run weights",
            ]
        ),
        builds="<br>\n".join(f"{name}: {runtime_line(about)}" for name, about in run.record.runtimes.items()),
        rounds_text="one round" if len(run.rounds) == 1 else f"{len(run.rounds)} rounds",
        cpu=run.record.machine["cpu"],
        notes="".join(f"; {note}" for note in run.record.notes),
        data=pathlib.Path(run.record.workload.data).name,
    )
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
