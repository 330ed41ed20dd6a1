"""What a minute of measuring buys, here and with other tools: two equal copies of one engine, whose true ratio is 1.

    python tests/overhead/efficiency.py [--seconds S] [--repeats N] [--engine NAME]

By turns, N times: a trial of `microgpt-bench calibrate`, which is a check of two copies of the engine; and two equal commands, each a training of as many steps,
with pyperf (`pyperf command`, Welch's t over processes), pytest-benchmark (`pedantic`, a process a round) and, where it is
installed, hyperfine. Each has about S seconds. Prints a table for `results/gate.md`: half the 95 % interval of the ratio and the
error (root mean square), both scaled to one minute by the root of the time that was taken, start-up included.
"""

from __future__ import annotations

import argparse
import json
import math
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np
from scipy import stats
from tabulate import tabulate

from bench.host.results import calibration
from bench.host.stats.paired import over_rounds

ROOT = pathlib.Path(__file__).resolve().parents[2]
STEPS = 6
BENCHMARK = """import subprocess
import pytest

@pytest.mark.parametrize("copy", [1, 2])
def test_training(benchmark, copy):
    benchmark.pedantic(subprocess.run, args=({command!r},), kwargs=dict(check=True, capture_output=True), rounds={rounds})
"""


def ours(engine: str, seconds: float, folder: pathlib.Path) -> tuple[float, float]:
    """The log-ratio of two copies of the engine in a trial of `calibrate`, and half its interval."""
    options = ["--engine", engine, "--python", sys.executable, "--null-trials", "1", "--trials", "0"]
    limits = ["--budget", f"{seconds:g}s", "--limit", f"{2 * seconds:g}s", "--threshold", "0", "--results", str(folder)]
    subprocess.run([sys.executable, "-m", "bench", "calibrate", *options, *limits], check=True, capture_output=True)
    (path,) = (folder / "calibration").glob("*.json")
    ratio = over_rounds(np.array(calibration.load(path).trials[0].logs), 0.95)
    if ratio.low is None or ratio.high is None:
        sys.exit("no ratio with an interval: give more --seconds")
    return math.log(ratio.value), math.log(ratio.high / ratio.low) / 2


def welch(first: list[float], second: list[float]) -> tuple[float, float]:
    """The log-ratio of two lists' means, and half its interval by Welch's t."""
    one, other = np.log(first), np.log(second)
    interval = stats.ttest_ind(one, other, equal_var=False).confidence_interval()
    return float(one.mean() - other.mean()), float(interval.high - interval.low) / 2


def pyperf(command: list[str], rounds: int, folder: pathlib.Path) -> tuple[float, float]:
    """A process a value, all of the first command before the second, as separate runs are."""
    import pyperf

    values = []
    for copy in (1, 2):
        path = folder / f"pyperf-{copy}.json"
        options = ["-q", "-p", str(rounds), "-n", "1", "-w", "0", "-l", "1", "-o", str(path), "--"]
        subprocess.run([sys.executable, "-m", "pyperf", "command", *options, *command], check=True, capture_output=True)
        values.append([float(value) for value in pyperf.Benchmark.load(str(path)).get_values()])
    return welch(*values)


def pytest_benchmark(command: list[str], rounds: int, folder: pathlib.Path) -> tuple[float, float]:
    """All rounds of the first test before the second's."""
    (folder / "test_efficiency.py").write_text(BENCHMARK.format(command=command, rounds=rounds), encoding="utf-8")
    path = folder / "pytest-benchmark.json"
    options = ["-q", "-p", "no:cacheprovider", f"--benchmark-json={path}", "--rootdir", str(folder)]
    subprocess.run([sys.executable, "-m", "pytest", *options, str(folder)], check=True, capture_output=True)
    found = json.loads(path.read_text(encoding="utf-8"))["benchmarks"]
    return welch(*(one["stats"]["data"] for one in found))


def hyperfine(command: list[str], rounds: int, folder: pathlib.Path) -> tuple[float, float]:
    """All runs of the first command before the second's."""
    path, line = folder / "hyperfine.json", " ".join(command)
    options = ["-N", "-r", str(rounds), "--export-json", str(path)]
    subprocess.run(["hyperfine", *options, line, line], check=True, capture_output=True)
    return welch(*(one["times"] for one in json.loads(path.read_text(encoding="utf-8"))["results"]))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--engine", default="fused_dot")
    asked = parser.parse_args()
    command = [
        sys.executable,
        "-m",
        "bench",
        "train",
        "--engine",
        asked.engine,
        "--steps",
        str(STEPS),
        "--samples",
        "0",
    ]
    begun = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    rounds = max(3, round(asked.seconds / 2 / (time.perf_counter() - begun)))
    tools: dict[str, Callable[[pathlib.Path], tuple[float, float]]] = {
        "microgpt-bench check": lambda folder: ours(asked.engine, asked.seconds, folder),
        "pyperf command, compare_to": lambda folder: pyperf(command, rounds, folder),
        "pytest-benchmark, pedantic": lambda folder: pytest_benchmark(command, rounds, folder),
    }
    if shutil.which("hyperfine"):
        tools["hyperfine"] = lambda folder: hyperfine(command, rounds, folder)
    found: dict[str, list[tuple[float, float, float]]] = {tool: [] for tool in tools}
    for _ in range(asked.repeats):
        for tool, measure in tools.items():
            with tempfile.TemporaryDirectory() as folder:
                begun = time.perf_counter()
                error, half = measure(pathlib.Path(folder))
                scale = math.sqrt((time.perf_counter() - begun) / 60)
            found[tool].append((error * scale, half * scale, scale**2 * 60))
    rows = []
    for tool, each in found.items():
        errors, halves, took = np.array(each).T
        rows.append(
            [tool, f"{np.median(halves):.2%}", f"{np.sqrt(np.mean(errors**2)):.2%}", f"{np.median(took):.0f} s"]
        )
    print(tabulate(rows, ["tool", "half the interval", "error", "took"], tablefmt="github"))
    print(
        f"\n{asked.repeats} times by turns; {STEPS} steps of {asked.engine}; the first two columns scaled to one minute."
    )


if __name__ == "__main__":
    main()
