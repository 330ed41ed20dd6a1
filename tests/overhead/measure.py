"""What the engine contract, the GPT and the trainer cost over one plain script: both in lockstep, step by step.

    python tests/overhead/measure.py [--python PYTHON] [--steps N] [--rounds N]

Prints the ratio of times with its 95 % interval, and refuses to where the losses differ.
"""

import argparse
import pathlib
import random
import subprocess
import sys

import numpy as np

from bench.host.measure.worker_process import WorkerProcess
from bench.host.stats.paired import paired_ratio
from bench.host.system import interpreters
from bench.workload import data

PLAIN = pathlib.Path(__file__).with_name("plain.py")


def one_round(
    runtime: interpreters.Runtime, documents: str, steps: int, rng: random.Random
) -> tuple[list[float], list[float]]:
    """Nanoseconds per step of the plain script and of the trainer, from fresh processes."""
    plain = subprocess.Popen(
        [runtime.executable, "-s", str(PLAIN), documents],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=interpreters.worker_environment({}),
    )
    worker = WorkerProcess(runtime, str(interpreters.ROOT))
    times: dict[str, list[float]] = {"plain": [], "trainer": []}
    try:
        worker.ask(60, do="start", engine="reference", documents=documents, config={}, gc="on")
        for step in range(1, steps + 1):
            losses = {}
            for side in rng.sample(["plain", "trainer"], 2):
                if side == "plain":
                    assert plain.stdin and plain.stdout
                    plain.stdin.write("\n")
                    plain.stdin.flush()
                    loss, nanoseconds = plain.stdout.readline().split()
                else:
                    answer = worker.ask(60, do="step", repeats=1)
                    loss, nanoseconds = answer["loss"], answer["ns"]
                losses[side] = loss
                times[side].append(float(nanoseconds))
            if losses["plain"] != losses["trainer"]:
                sys.exit(f"losses differ at step {step}: {losses}")
    finally:
        worker.stop()
        plain.kill()
        plain.wait()
    return times["plain"], times["trainer"]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default="3.14", help="version or path (default %(default)s)")
    parser.add_argument("--steps", type=int, default=20, help="per round (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=10, help="of fresh processes (default %(default)s)")
    options = parser.parse_args()
    runtime = interpreters.resolve(options.python, {})
    rng = random.Random(0)
    documents = str(data.path_of(data.DEFAULT))
    rounds = [one_round(runtime, documents, options.steps, rng) for _ in range(options.rounds)]
    plain, trainer = np.array([r[0] for r in rounds]), np.array([r[1] for r in rounds])
    ratio = paired_ratio(trainer, plain)
    print(
        f"{runtime.name}: trainer / plain script = {ratio.value:.4f} [{ratio.low:.4f}, {ratio.high:.4f}], losses identical"
    )


if __name__ == "__main__":
    main()
