"""A run's flops, and the most that a core here does in a second."""

from __future__ import annotations

import os
import subprocess
import sys

from bench.host.results.records import REFERENCE
from bench.host.results.run import Run
from bench.host.stats.flops import Arithmetic, step_flops
from bench.host.system import datasets
from bench.host.system.errors import UsageError
from bench.workload.config import Config
from bench.workload.trainer import Trainer

DGEMM = (
    "import numpy, time\n"
    "a = numpy.random.default_rng(1).random((512, 512)); times = []\n"
    "for _ in range(40):\n"
    "    started = time.perf_counter(); a @ a; times.append(time.perf_counter() - started)\n"
    "print(2 * 512**3 / min(times))"
)


def positions(run: Run) -> list[int]:
    """Positions of the document of each of the run's steps. Raises UsageError, WorkloadError where it is gone."""
    config = Config(**run.record.workload.config)  # type: ignore[arg-type]
    path = datasets.locate_again(run.record.workload.data)
    documents = Trainer(REFERENCE, path, config).documents
    steps = [number - 1 for number in run.record.plan.numbers]
    return [min(config.block_size, len(documents[step % len(documents)]) + 1) for step in steps]


def arithmetic(run: Run) -> Arithmetic:
    """The run's flops per step, and this machine's limit, measured with NumPy's matrix product on one thread."""
    config = Config(**run.record.workload.config)  # type: ignore[arg-type]
    lengths = positions(run)
    one_thread = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM")}
    done = subprocess.run(
        [sys.executable, "-c", DGEMM], env={**os.environ, **one_thread}, capture_output=True, text=True
    )
    if done.returncode:
        raise UsageError(f"cannot measure the machine's limit: {done.stderr.strip().splitlines()[-1]}")
    return Arithmetic([step_flops(config, n, run.record.workload.vocabulary) for n in lengths], float(done.stdout))
