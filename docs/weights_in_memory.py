"""Where an engine's weights lie in memory, step by step: run by docs/where_weights_lie.py in the interpreter under test.

    python docs/weights_in_memory.py look ENGINE STEPS  # addresses after some of the steps
    python docs/weights_in_memory.py save ENGINE STEPS FILE  # weights and moments after them
    python docs/weights_in_memory.py count ENGINE STEPS FILE DOCUMENT NUMBER  # counted under callgrind; FILE - for no state
    python docs/weights_in_memory.py clock ENGINE STEPS FILE DOCUMENT NUMBER  # the fastest of so many

Prints a line of JSON. In CPython an object's id is its address.
"""

from __future__ import annotations

import json
import os
import pathlib
import statistics
import subprocess
import sys
import time
from typing import Any, Callable, Dict, List, Set

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from bench.workload.trainer import Trainer

LINE, PAGE = 6, 12  # bits of an address within a cache line, within a page
NEAR = 128  # bytes: a node takes 64, so the next node or the next but one
SHOWN = (1, 3, 10, 30, 60, 100)


def look(engine: str, steps: int) -> List[Dict[str, Any]]:
    """Of the weights: cache lines and pages that hold them, bytes from one to the next; of all that an update makes, pages
    and the share in places that gradients have left; of the step's graph, the share of nodes side by side."""
    trainer = Trainer(engine)
    optimizer, forward = trainer.optimizer, trainer.model.loss
    gradients: Set[int] = set()
    beside = 0.0

    def loss_in_place(tokens: Any) -> Any:
        nonlocal beside
        loss = forward(tokens)
        if trainer.steps_done + 1 in SHOWN:
            beside = side_by_side(loss)
        return loss

    def remember() -> None:
        gradients.update(id(p.grad) for p in optimizer.parameters)

    def found(step: int) -> Dict[str, Any]:
        places = [id(p.data) for p in optimizer.parameters]
        kept = [*places, *map(id, optimizer.m), *map(id, optimizer.v)]
        return {
            "step": step,
            "lines": len({place >> LINE for place in places}),
            "pages": len({place >> PAGE for place in places}),
            "all_pages": len({place >> PAGE for place in kept}),
            "gap": statistics.median(abs(b - a) for a, b in zip(places, places[1:])),
            "share": sum(place in gradients for place in kept) / len(kept),
            "beside": beside,
        }

    vars(trainer.model)["loss"] = loss_in_place
    rows = [found(0)]
    for step in range(1, steps + 1):
        trainer.step(remember if step in SHOWN else None)
        if step in SHOWN:
            rows.append(found(step))
        gradients.clear()
    return rows


def side_by_side(loss: Any) -> float:
    """The share of a graph's nodes that lie at most NEAR bytes from the one that is visited before: parents after children."""
    order: List[Any] = []
    seen, waiting = {id(loss)}, [(loss, iter(loss._children))]
    while waiting:
        _, children = waiting[-1]
        child = next(children, None)
        if child is None:
            order.append(waiting.pop()[0])
        elif id(child) not in seen:
            seen.add(id(child))
            waiting.append((child, iter(child._children)))
    return sum(abs(id(b) - id(a)) <= NEAR for a, b in zip(order, order[1:])) / len(order)


def save(engine: str, steps: int, file: str) -> List[float]:
    """Write the state after so many steps; the last losses."""
    trainer = Trainer(engine)
    losses = [trainer.step().loss for _ in range(steps)]
    parameters, m, v = trainer.optimizer.snapshot()
    pathlib.Path(file).write_text(json.dumps([parameters, list(m), list(v)]))
    return losses[-3:]


def prepared(engine: str, steps: int, file: str) -> Trainer:
    """After so many steps, or in the state that a file has."""
    trainer = Trainer(engine)
    if file != "-":
        parameters, m, v = json.loads(pathlib.Path(file).read_text())
        trainer.restore((trainer.steps_done, (parameters, m, v)))
    for _ in range(steps):
        trainer.step()
    return trainer


def count(engine: str, steps: int, file: str, document: str, counted: str) -> List[float]:
    """Losses of the steps that callgrind counts, all on one document, in a state that is `prepared`."""
    trainer = prepared(engine, steps, file)
    trainer.step(document=document)
    control("-i", "on")
    trainer.step(document=document)  # fills the caches
    control("-z")
    losses = [trainer.step(document=document).loss for _ in range(int(counted))]
    control("-d")
    control("-i", "off")
    return losses


def clock(engine: str, steps: int, file: str, document: str, timed: str) -> float:
    """Processor milliseconds of the fastest of some steps on one document, in a state that is `prepared`."""
    trainer, times = prepared(engine, steps, file), []
    for _ in range(int(timed)):
        start = time.process_time_ns()
        trainer.step(document=document)
        times.append(time.process_time_ns() - start)
    return min(times) / 1e6


def control(*words: str) -> None:
    """Tell the callgrind that this process runs in: instructions on and off, counts to 0, dump them."""
    subprocess.run(["callgrind_control", *words, str(os.getpid())], stdout=subprocess.DEVNULL, check=True)


if __name__ == "__main__":
    orders: Dict[str, Callable[..., Any]] = {"look": look, "save": save, "count": count, "clock": clock}
    what, engine, steps, *rest = sys.argv[1:]
    print(json.dumps(orders[what](engine, int(steps), *rest)))
