"""One round of a pool's run, in a process of its own on the machine that measures: started by `pool_worker`, ends with its input.

Standard input: the length of a pickled job in 8 bytes, the job, and then nothing until whoever started it wants it no more or
is dead: then the input ends. Standard output: the pickled answer.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import pickle
import signal
import sys
import threading
from collections.abc import Mapping
from typing import Any

from bench.host.measure.plan import Plan
from bench.host.measure.round import Round
from bench.host.measure.trajectory import Trajectory
from bench.host.system.deadline import Deadline, OutOfTime
from bench.host.system.workspace import Workspace


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
    """Read a job, measure, answer."""
    length = int.from_bytes(sys.stdin.buffer.read(8), "big")
    job = pickle.loads(sys.stdin.buffer.read(length))
    threading.Thread(target=_end_with_input, daemon=True).start()
    try:
        with Workspace() as workspace:
            answer = measure(job, workspace.folder)
    except KeyboardInterrupt:
        os._exit(130)
    sys.stdout.buffer.write(pickle.dumps(answer))
    sys.stdout.buffer.flush()
    os._exit(0)  # not waiting for the thread that reads


def measure(job: Mapping[str, Any], folder: pathlib.Path) -> dict[str, Any]:
    """The round that a job is for: its ``record``, what ``engines`` said of themselves, ``lines`` to say."""
    for path, content in job["files"].items():
        file = folder / pathlib.PurePosixPath(path)
        if folder not in file.resolve().parents:
            raise ValueError(f"{path} is not below the workspace")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    plan: Plan = placed(job["plan"], folder, job["runtimes"], job["seconds"])
    told = Told()
    current = Round(plan, job["number"], job["cells"], told, samples=job["samples"], nodes=job["nodes"])
    current.deadline = plan.deadline
    try:
        record = current.run()
    except OutOfTime:
        return {"record": None, "engines": {}, "lines": told.lines, "extra": 0.0}
    said = {cell[0]: state.started["engine"] for cell, state in current.states.items() if state.started.get("engine")}
    return {
        "record": record,
        "engines": said,
        "lines": told.lines,
        "extra": current.first_round_seconds,
        "machine": job["machine"],
    }


def placed(plan: Plan, folder: pathlib.Path, runtimes: list[Any], seconds: float | None) -> Plan:
    """A plan whose files are in another folder, here the one it is to be measured from. Paths in it are relative."""
    way = plan.trajectory
    return dataclasses.replace(
        plan,
        engines={row: dataclasses.replace(one, source=folder / one.source) for row, one in plan.engines.items()},
        documents=folder / plan.documents,
        runtimes=runtimes,
        deadline=Deadline(seconds),
        trajectory=None if way is None else Trajectory(way.at, way.lead_in, folder / way.folder, way.sha256),
    )


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGINT)
