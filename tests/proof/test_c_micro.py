"""A step's parts, timed one by one as micro-benchmarks, add up to the step that a run measures."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from bench.host.results import store
from bench.host.system import interpreters

pytest.importorskip("pytest_benchmark", reason="needs pytest-benchmark, as nox -s micro installs it")
PARTS = ("forward", "backward", "adam", "release")
ABOUT = 3  # times: these timings are minutes apart, and the collector comes when it likes
ENGINES = ("reference", "closures", "fused_dot")  # of closures much is left to the collector


def micro(path):
    """Median seconds by engine and part. Before, parts were up to ten times the step, by what pytest has in memory."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    chosen = " or ".join(f"{engine}-" for engine in ENGINES) + " or step"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "bench/micro", "-k", f"({chosen}) and ({' or '.join(ENGINES)})",
         f"--benchmark-json={path}", "--benchmark-timer=time.process_time", "--benchmark-max-time=0.5"],
        cwd=interpreters.ROOT, capture_output=True, text=True, timeout=1200, env=inherited,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return {
        (one["extra_info"]["engine"], one["group"]): one["stats"]["median"]
        for one in json.loads(path.read_text())["benchmarks"]
    }


@pytest.mark.slow
def test_c17a_parts_add_up_to_the_step_that_a_run_measures(tmp_path, bench_command):
    seconds = micro(tmp_path / "micro.json")
    options = [word for engine in ENGINES for word in ("--engine", engine)]
    done = bench_command(
        "run", "--python", sys.executable, *options, "--steps", 1, "--rounds", 3, "--timeout", "10m", "--name", "same"
    )  # the first step, as in a micro-benchmark
    assert done.exit_code == 0, done.output
    run = store.load(tmp_path / "results" / "same")
    (runtime,) = run.record.runtimes
    of_run = {engine: float(np.median(run.times((engine, runtime)))) for engine in ENGINES}
    for engine in ENGINES:
        parts = sum(seconds[engine, part] for part in PARTS)
        assert 1 / ABOUT < parts / seconds[engine, "step"] < ABOUT, engine
        ratio = of_run["reference"] / of_run[engine]
        of_parts = sum(seconds["reference", part] for part in PARTS) / parts
        assert 1 / ABOUT < of_parts / ratio < ABOUT, engine
        assert 1 / ABOUT < seconds["reference", "step"] / seconds[engine, "step"] / ratio < ABOUT, engine
