"""Rounds of a pool's run, in a process of its own on the machine that measures: started by `pool_worker`, ends with its input.

Standard input: the plan's files, then a job for each round; standard output: an answer to each, or a text of what went wrong. All are pickled, each after its
length in 8 bytes. The process stays for the next round, with its imports and its copy of the files, for IDLE_SECONDS. It ends when
whoever started it wants it no more, or is dead: then the input ends.
"""

from __future__ import annotations

import contextlib
import copy
import os
import pathlib
import pickle
import queue
import signal
import sys
import threading
from collections.abc import Mapping
from typing import Any, BinaryIO

from bench.host.measure.burner import burner
from bench.host.measure.order import Answer, Order
from bench.host.measure.pool_files import placed, unpack
from bench.host.measure.round import Round
from bench.host.system.deadline import OutOfTime
from bench.host.system.workspace import Workspace

IDLE_SECONDS = 3.0  # without a job


class Told:
    """What a round says, for whoever asked for it."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def advance(self, doing: str) -> None:
        """Nobody looks at single orders from afar."""

    def say(self, line: str) -> None:
        """Kept until the round is over."""
        self.lines.append(line)


def main() -> None:
    """Take the files, then measure and answer, job after job."""
    orders: queue.Queue[Any] = queue.Queue()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever the worker does with it
    threading.Thread(target=_read, args=(orders,), daemon=True).start()
    try:
        with Workspace() as workspace, contextlib.suppress(queue.Empty):
            unpack(orders.get(), workspace.folder)
            while True:
                answer = measure(orders.get(timeout=IDLE_SECONDS), workspace.folder)
                write(sys.stdout.buffer, answer)
    except KeyboardInterrupt:
        os._exit(130)
    except Exception as why:  # not on standard error, which is a file on a disk that may be full
        write(sys.stdout.buffer, f"{type(why).__name__}: {why}")
        os._exit(1)
    os._exit(0)  # not waiting for the thread that reads


def write(stream: BinaryIO, message: object) -> None:
    """A message, after its length."""
    content = pickle.dumps(message)
    stream.write(len(content).to_bytes(8, "big") + content)
    stream.flush()


def read(stream: BinaryIO) -> Any:
    """The next message. Raises EOFError where there is none, or whoever wrote it died on the way."""
    length = int.from_bytes(head := stream.read(8), "big")
    content = stream.read(length)
    if len(head) < 8 or len(content) < length:
        raise EOFError
    return pickle.loads(content)


def measure(job: Mapping[str, Any], folder: pathlib.Path) -> Answer:
    """The round that a job is for."""
    order: Order = job["order"]
    plan = placed(job["plan"], folder, job["runtimes"], order.seconds)
    told = Told()
    current = Round(plan, order.number, order.cells, told, order.references, samples=order.samples, nodes=order.nodes)
    current.deadline = plan.deadline
    try:
        with burner() if order.burn else contextlib.nullcontext():
            record = current.run()
    except OutOfTime:
        return Answer(None, {}, told.lines, 0.0, {})
    said = {cell[0]: state.started["engine"] for cell, state in current.states.items() if state.started.get("engine")}
    references = {} if order.references is None else current.references()
    for cell, state in references.items():
        references[cell] = copy.copy(state)
        del references[cell].worker  # the process is over
    return Answer(record, said, told.lines, current.first_round_seconds, references)


def _read(orders: queue.Queue[Any]) -> None:
    try:
        while True:
            orders.put(read(sys.stdin.buffer))
    except EOFError:
        pass
    finally:
        os.kill(os.getpid(), signal.SIGINT)
