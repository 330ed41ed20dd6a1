"""Independent models that are trained at the same time, each in a thread of its own of one process."""

from __future__ import annotations

import os
import threading
import time
from typing import Any, Dict, List

import engines
from bench.workload.trainer import Trainer


class Crowd:
    """Trainers of one engine, each of them with an import of its own, or with ``one_import`` sharing what its module keeps.

    An engine with a tape in its module trains wrongly in two threads that share it.
    """

    def __init__(self, first: Trainer, name: str, documents: Any, count: int, one_import: bool) -> None:
        path = name if name.endswith(".py") else os.path.join(os.path.dirname(engines.__file__), f"{name}.py")
        self.trainers = [first]
        for _ in range(count - 1):
            engine = first.engine if one_import else engines.load(path)
            self.trainers.append(Trainer(engine, documents, first.config))
        self.seeded = [trainer.snapshot() for trainer in self.trainers]

    def train(self, steps: int, repeats: int) -> Dict[str, Any]:
        """Every trainer takes the first ``steps`` of the training run, ``repeats`` times from the seeded state on.

        Nanoseconds from when all threads may go until the last one is done, and each trainer's losses. Raises what one
        of them raised.
        """
        losses: List[List[str]] = [[] for _ in self.trainers]
        errors: List[BaseException] = []
        ready = threading.Barrier(len(self.trainers) + 1)

        def run(number: int) -> None:
            trainer, said = self.trainers[number], losses[number]
            ready.wait()
            try:
                for _ in range(repeats):
                    trainer.restore(self.seeded[number])
                    for _ in range(steps):
                        said.append(trainer.step().loss.hex())
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=run, args=(number,)) for number in range(len(self.trainers))]
        for thread in threads:
            thread.start()
        ready.wait()
        started = time.perf_counter_ns()
        for thread in threads:
            thread.join()
        nanoseconds = time.perf_counter_ns() - started
        if errors:
            raise errors[0]
        return {"ns": nanoseconds, "crowd": losses}
