"""microgpt's training steps on one engine, for pyperformance; the workload is this checkout's, standard library only.

A value is the seconds of a step: the mean over the first STEPS ones, from the same seeded state each time. No value is
given for an engine whose losses do not agree with the reference's, as proven in the same process before it is timed.
"""

from __future__ import annotations

import hashlib
import pathlib
import sys
import time

import pyperf

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

import engines
from bench.workload.engine import LOSS_TOLERANCE, Parity
from bench.workload.trainer import Trainer

STEPS = 3


def losses_of(engine: str) -> list[float]:
    """Of the first steps, in nats per token."""
    trainer = Trainer(engine)
    return [trainer.step().loss for _ in range(STEPS)]


def prove(engine: str) -> dict[str, str]:
    """What is found on parity, for the metadata. Exits where the engine is missing or its losses differ."""
    loaded = engines.load(engine)
    if loaded.unavailable:
        sys.exit(f"engine {engine} cannot run here: {loaded.unavailable}")
    expected, losses = losses_of("reference"), losses_of(engine)
    largest = max(abs(loss - truth) for loss, truth in zip(losses, expected))
    if not largest <= LOSS_TOLERANCE:  # also for NaN
        sys.exit(f"engine {engine} DIVERGED: its losses are {losses}, the reference's {expected}")
    if losses != expected and loaded.parity is Parity.BIT_IDENTICAL:
        sys.exit(f"engine {engine} broke its promise of bit-identical losses: the largest difference is {largest:.0e}")
    return {
        "microgpt_engine": engine,
        "microgpt_losses_sha256": hashlib.sha256(" ".join(loss.hex() for loss in losses).encode()).hexdigest(),
        "microgpt_parity": "losses bit-identical" if losses == expected else f"largest difference {largest:.0e}",
    }


def time_steps(loops: int, engine: str) -> float:
    """Seconds of ``loops`` times the first STEPS steps, without the making of the model."""
    total = 0.0
    for _ in range(loops):
        trainer = Trainer(engine)
        start = time.perf_counter()
        for _ in range(STEPS):
            trainer.step()
        total += time.perf_counter() - start
    return total


def main() -> None:
    """Run by pyperf, in its main process and in each of its workers."""
    runner = pyperf.Runner(add_cmdline_args=lambda command, args: command.extend(["--engine", args.engine]))
    runner.argparser.add_argument(
        "--engine", default="reference", help="a name of this project's, or a path to FILE.py"
    )
    args = runner.parse_args()
    if args.worker:
        runner.metadata.update(prove(args.engine))
    runner.metadata["description"] = f"a training step of microgpt on the engine {args.engine}"
    stem = pathlib.Path(args.engine).stem
    name = "microgpt" if stem == "reference" else f"microgpt_{stem}"
    runner.bench_time_func(name, time_steps, args.engine, inner_loops=STEPS)


if __name__ == "__main__":
    main()
