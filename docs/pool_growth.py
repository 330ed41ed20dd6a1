"""Prints the tables of docs/pool.md: what more machines bring, by simulation from recorded rounds.

    python -m docs.pool_growth [--run RUN] [--runtime RUNTIME] [--measure N | --memory ROUNDS]

Each round's noise is drawn from what the engines' rounds in the run differ by. `bench.host.stats.pools` simulates. With --measure
it measures here instead, with 1 to N machines that are namespaces (`docs.namespaces`; needs root); with --memory it takes in
so many rounds, copies of one of the run's, as a pool's command does.
"""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
import pickle
import tempfile
import time

import numpy as np
import psutil

import bench
from bench.host.measure.order import Answer, Order
from bench.host.measure.plan import Plan
from bench.host.measure.pool_machine import Machine
from bench.host.measure.pooled import Queue
from bench.host.pages import rendering, run_tables
from bench.host.results import store
from bench.host.results.records import REFERENCE
from bench.host.results.round_files import path_of
from bench.host.results.run import Run
from bench.host.stats.paired import round_log_ratios
from bench.host.stats.pools import Recorded, checked, half_width
from bench.host.stats.sequential import Gate, Verdict
from bench.host.system.progress import RunProgress
from docs.namespaces import Namespaces

RUN = pathlib.Path(__file__).resolve().parent.parent / "results" / "default"
RUNTIME = "cpython-3.14"
MACHINES = (1, 2, 4, 8, 16)
MINUTES = (10, 30, 60, 240)
TAUS = (0.0, 0.01)
REPEATS, CHECKS = 100, 1000
CHECKED = 256  # rounds of a simulated check at most


def recorded(folder: pathlib.Path, runtime: str) -> Recorded:
    """The rounds of a run on disk."""
    run = store.load(folder)
    pairs = [((REFERENCE, runtime), (engine, runtime)) for engine in run.record.engines if engine != REFERENCE]
    logs = [round_log_ratios(*run.pair(*pair))[0] for pair in pairs if run.ok(*pair)]
    return Recorded.of(logs, float(np.median([entry.seconds for entry in run.rounds[1:]])))


def widths(rounds: Recorded, tau: float) -> str:
    """Half widths after so many minutes, a column for each number of machines."""
    rng, rows = np.random.default_rng(20), []
    for minutes in MINUTES:
        found = [
            np.median([half_width(rounds, machines, minutes, tau, rng) for _ in range(REPEATS)])
            for machines in MACHINES
        ]
        rows.append([f"{minutes} min", *(f"± {np.expm1(width):.2%}" for width in found)])
    return rendering.grid(
        ["after", *(f"{machines} machine{'s' * (machines > 1)}" for machines in MACHINES)], rows, "github"
    )


def checks(rounds: Recorded) -> str:
    """False alarms, detections and times of the gate, a row for each number of machines."""
    rng, rows = np.random.default_rng(20), []
    for machines in MACHINES:
        row = [str(machines)]
        for threshold, slowdown, tau in [(0.01, 0, 0), (0.01, 0, 0.005), (0.01, 0, 0.01), (0, 0, 0), (0.01, 0.05, 0)]:
            gate = Gate(threshold)
            said = [checked(rounds, gate, machines, CHECKED, slowdown, tau, rng) for _ in range(CHECKS)]
            alarms = sum(verdict is Verdict.REGRESSED for verdict, _ in said) / CHECKS
            took = np.median([seconds for _, seconds in said]) / 60
            row += [f"{alarms:.1%}", *([f"{took:.0f} min"] if threshold and not tau else [])]
        rows.append(row)
    heads = [
        "machines",
        "equal",
        "verdict after",
        "own ± 0.5 %",
        "own ± 1 %",
        "equal, threshold 0",
        "5 % slower",
        "after",
    ]
    return rendering.grid(heads, rows, "github")


def measured(most: int, minutes: float = 1.0) -> str:
    """What 1 to so many machines measure here in so many minutes, all on the same processors."""
    rows = []
    for count in range(1, most + 1):
        with tempfile.TemporaryDirectory() as folder, Namespaces(pathlib.Path(folder)) as machines:
            for number in range(1, count + 1):
                machines.add(f"machine{number}")
            run = bench.measure(
                *(["combined"], ["3.14"]),
                **{"rounds": 9999, "budget": minutes * 60, "from_start": True, "results": folder, "name": "grown"},
                cluster=machines.address,
            )
            ratio = run.speedup("combined", "cpython-3.14")
            gaps, seconds = gaps_of(run)
            width = (
                ""
                if ratio is None or not ratio.low or not ratio.high
                else f"± {(ratio.high / ratio.low) ** 0.5 - 1:.1%}"
            )
            said = [str(count), str(len(run.rounds)), f"{np.median(seconds):.2f} s", f"{np.median(gaps) * 1000:.0f} ms"]
            rows.append([*said, f"{sum(gaps) / sum(seconds):.1%}", width])
    heads = ["machines", f"rounds in {minutes:g} min", "a round", "between two", "share", "half width"]
    return rendering.grid(heads, rows, "github")


def gaps_of(run: Run) -> tuple[list[float], list[float]]:
    """The seconds between two rounds of one machine, as their files say, and those of the rounds."""
    gaps, before = [], dict[str, float]()
    for entry in run.rounds:
        machine, ended = str((entry.machine or {})["identity"]), path_of(run.folder, entry.number).stat().st_mtime
        if machine in before:
            gaps.append(ended - before[machine] - entry.seconds)
        before[machine] = ended
    return gaps, [entry.seconds for entry in run.rounds]


def held(folder: pathlib.Path, count: int) -> str:
    """The memory of the command that hands out rounds: so many of them, copies of the last one of a run, are taken in."""
    record, like, rows = store.load(folder).record, store.load(folder).rounds[-1], []
    record = dataclasses.replace(record, plan=dataclasses.replace(record.plan, rounds=count))
    machine = Machine("tcp://nowhere:1", {"machine": dict(record.machine)})
    machine.runtimes = dict.fromkeys(record.runtimes)  # type: ignore[assignment]
    with tempfile.TemporaryDirectory() as place, RunProgress(count, unit="rounds") as progress:
        run = store.create(pathlib.Path(place) / "many", record)
        queue = Queue(Plan(dict.fromkeys(record.engines), [], pathlib.Path(), {}, record.plan), run, progress)  # type: ignore[arg-type]
        began = time.monotonic()
        for number in range(1, count + 1):
            queue.left.pop(0)
            arrived = pickle.loads(pickle.dumps(dataclasses.replace(like, machine=machine.about["machine"])))
            store.check_arrived(arrived, record.plan)
            queue.keep(Order(number, []), machine, Answer(arrived, {}, [], 0.0, {}))
            if number in (count // 100, count // 10, count // 2, count):
                spent = (time.monotonic() - began) / number * 1000
                rows.append([f"{number:,}", f"{resident():.0f} MB", f"{spent:.0f} ms"])
        if 100 < count <= 1000:
            run_tables.render(store.load(run.folder), "plain", None)
            rows.append([f"{count:,}, and their tables", f"{resident():.0f} MB", ""])
    return rendering.grid(["rounds", "memory", "taking in a round"], rows, "github")


def resident() -> float:
    """This process's memory in MB, now."""
    return float(psutil.Process().memory_info().rss) / 1e6


def main(folder: pathlib.Path = RUN, runtime: str = RUNTIME) -> None:
    """Print them."""
    rounds = recorded(folder, runtime)
    said = (
        f"{float(np.std(rounds.deviations)):.1%} from its mean (standard deviation), and takes {rounds.seconds:.0f} s"
    )
    print(f"A round of `{folder.name}` on {runtime} is {said}.\n")
    for tau in TAUS:
        print(
            f"Half width of a speedup's 95 % interval, machines' own speedups {tau:.0%} apart (standard deviation):\n"
        )
        print(widths(rounds, tau) + "\n")
    print(f"Checks of at most {CHECKED} rounds, {CHECKS} simulated of each kind:\n")
    print(checks(rounds))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=pathlib.Path, default=RUN)
    parser.add_argument("--runtime", default=RUNTIME)
    parser.add_argument("--measure", type=int, metavar="N")
    parser.add_argument("--memory", type=int, metavar="ROUNDS")
    given = parser.parse_args()
    if given.memory:
        print(held(given.run, given.memory))
    elif given.measure:
        print(measured(given.measure))
    else:
        main(given.run, given.runtime)
