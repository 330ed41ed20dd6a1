"""Training steps of many engines in children of one process, so that under Valgrind start-up is paid for once.

The process imports the workload and trains the first engine, then makes a child for each engine. Every child has the same
memory before it, makes a child that ends at once, trains its steps and makes another one. What Valgrind has counted for the
second of these and not for the first are the steps, and the little that making a child takes.

Standard input has one line of JSON: {"documents": PATH, "config": {…}, "engines": [NAME or FILE.py, …], "steps": N, "whole": B}.
Each child answers with a line, ``ANSWER`` and JSON: its engine, both processes' numbers and the losses as float.hex; where
"whole" is true also the first step's gradients and the last weights as base64 of little-endian doubles, the matrices'
shapes, and graph nodes. Or it says what went wrong.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from typing import Any, Dict, List

from bench.workload.config import Config
from bench.workload.trainer import Trainer
from bench.workload.worker import pack

ANSWER = "microgpt-bench counted "


def main() -> None:
    """Count what standard input says."""
    order = json.loads(sys.stdin.readline())
    count(order["engines"][0], order)
    for engine in order["engines"]:
        child = os.fork()
        if not child:
            try:
                answer = count(engine, order)
            except BaseException as error:
                answer = {"error": f"{type(error).__name__}: {error}"}
            os.write(1, f"\n{ANSWER}{json.dumps({'engine': engine, **answer})}\n".encode())
            os._exit(0)
        os.waitpid(child, 0)


def count(engine: str, order: Dict[str, Any]) -> Dict[str, Any]:
    """Train an engine; the numbers of the processes that ended before and after its steps, and what it reached."""
    trainer = Trainer(engine, order["documents"], Config(**order["config"]))
    del trainer.documents[order["steps"] :]
    gradients: List[Dict[str, Any]] = []

    def look() -> None:
        if order["whole"] and not gradients:
            read = trainer.engine.read_gradients
            gradients.append({name: read(matrix) for name, matrix in trainer.model.matrices.items()})

    gc.collect()  # the collector's own counts begin at zero, whatever start-up allocated
    before = _ended()
    losses = [trainer.step(look).loss for _ in range(order["steps"])]
    after = _ended()
    answer = {"processes": [before, after], "losses": [loss.hex() for loss in losses]}
    if not order["whole"]:
        return answer
    return {
        **answer,
        "gradients": pack(gradients[0].values()),
        "parameters": pack(trainer.weights().values()),
        "shapes": {name: [len(rows), len(rows[0])] for name, rows in gradients[0].items()},
        "nodes": [trainer.count_nodes(step) for step in range(order["steps"])],
    }


def _ended() -> int:
    """The number of a child that was made here and ended at once: Valgrind writes down what it has counted up to then."""
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    return child


if __name__ == "__main__":
    main()
