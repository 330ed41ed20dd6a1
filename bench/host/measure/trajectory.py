"""Which steps of the training run stand for all of it, and the run's own state before each of them.

A training run's first steps are not like the others: relus are open that close later, and weights still lie side by side
in memory. So the steps to time are spread over the whole run, and as long documents are slower than short ones, they are
chosen such that their documents' lengths are spread like those of all documents.

To begin at such a step, a worker takes over the weights and Adam's moments that the training run has there. They are
computed once, by an engine that gives the reference's own bits, and kept in the user's cache. Before the first of them every
process trains some of the run's first steps, untimed. It takes a hundred of them until its numbers lie in memory as in a
whole run (docs/where_weights_lie.md): they are put there (bench.workload.aging).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import pathlib
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from bench.host.measure import sources
from bench.host.results.records import PlanRecord
from bench.host.system import datasets, kept
from bench.workload.config import Config
from bench.workload.trainer import Trainer

ENGINE = "compiled"  # bit-identical with the reference, and needs nothing but Python
ESTIMATED = 5  # steps, before it is said how long all will take
KEPT = 20  # trajectories in the cache
AGES = 100  # steps of a training run, from which on most of its steps are in a process that has aged
GOLDEN = (math.sqrt(5) - 1) / 2


def spread(trainer: Trainer, steps: int) -> list[int]:
    """So many steps of a training run, from 1: one in each part of it, their documents' lengths spread like all.

    The parts are equally long. Part k is to have a document at the quantile frac(k·φ) of all lengths, φ the golden
    ratio: a low-discrepancy sequence, by which neither early nor late steps have longer documents. Of a part's steps
    with the length closest to it the one nearest to the middle is taken.
    """
    whole = trainer.config.schedule_steps
    if steps >= whole:
        return list(range(1, steps + 1))
    documents, block = trainer.documents, trainer.config.block_size
    lengths = [min(block, len(documents[step % len(documents)]) + 1) for step in range(whole)]
    in_order, chosen = sorted(lengths), []
    ranks = sorted(range(steps), key=lambda part: (part + 1) * GOLDEN % 1)
    for part in range(steps):
        begin, end = part * whole // steps, (part + 1) * whole // steps
        wanted = in_order[int((ranks.index(part) + 0.5) / steps * whole)]
        middle = (begin + end - 1) / 2
        chosen.append(min(range(begin, end), key=lambda step: (abs(lengths[step] - wanted), abs(step - middle))))
    return [step + 1 for step in chosen]


def starts(at: Sequence[int], lead_in: int) -> list[int]:
    """The timed steps that do not follow the one before, nor the first ``lead_in`` steps: they need a state to begin with."""
    before = [min(lead_in, at[0] - 1), *at]
    return [step for last, step in zip(before, at) if step != last + 1]


def ages(described: Mapping[str, Any]) -> bool:
    """Whether `bench.workload.aging` leaves such a runtime's memory as a long run does: CPython's pools, or objects that move anyhow.

    ``described``: what the runtime says of itself. Of malloc's and mimalloc's memory it makes another disorder than training.
    """
    return str(described.get("allocator", "")).partition(" ")[0] in ("", "pymalloc")


class OutOfReach(Exception):
    """The states cannot be had here, in words."""


@dataclasses.dataclass(frozen=True)
class Trajectory:
    """The steps to time, ``at``; how many of the run's first steps lead in to them; and where the states of `starts` are."""

    at: list[int]
    lead_in: int
    folder: pathlib.Path
    sha256: str

    def planned(self, settings: PlanRecord, aged: bool) -> PlanRecord:
        """The settings with these steps, in processes that are ``aged`` or not."""
        return dataclasses.replace(settings, at=self.at, lead_in=self.lead_in, states_sha256=self.sha256, aged=aged)

    def state(self, step: int) -> pathlib.Path | None:
        """The file with the state before a timed step; None where the steps before it lead there."""
        return self.folder / str(step - 1) if step in starts(self.at, self.lead_in) else None


def of(
    documents: pathlib.Path,
    config: Config,
    steps: int | Sequence[int],
    lead_in: int,
    workspace: pathlib.Path,
    budget: float | None,
) -> Trajectory:
    """The trajectory for so many ``steps``, or for these ones, behind at most ``lead_in`` of the first. Raises OutOfReach.

    ``workspace`` has a copy of the sources. ``budget``: seconds of which training may take a third, None for all it takes.
    """
    trainer = Trainer(ENGINE, str(documents), config)
    at = spread(trainer, steps) if isinstance(steps, int) else list(steps)
    lead_in = min(lead_in, at[0] - 1)
    wanted = [step - 1 for step in starts(at, lead_in)]
    facts = [
        sources.digest(workspace / "source" / "bench"),
        ENGINE,
        hashlib.sha256(documents.read_bytes()).hexdigest(),
        config.record(),
        wanted,
        sys.byteorder,
    ]
    facts += [sys.version, platform.machine(), platform.libc_ver()]
    cached = datasets.cache() / "trajectories" / hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]
    states = _read(cached, len(wanted))
    if states is None:
        states = _train(trainer, wanted, math.inf if budget is None else budget / 3)
        kept.keep(cached, b"".join(states), KEPT)
    folder = workspace / "states"
    folder.mkdir()
    for done, state in zip(wanted, states):
        (folder / str(done)).write_bytes(state)
    return Trajectory(at, lead_in, folder, hashlib.sha256(b"".join(states)).hexdigest())


def _train(trainer: Trainer, wanted: Sequence[int], longest: float) -> list[bytes]:
    """The states after so many steps each. Raises OutOfReach where that takes longer than so many seconds."""
    states, began = [], time.monotonic()
    try:
        for done in wanted:
            while trainer.steps_done < done:
                if not math.isfinite(trainer.step().loss):
                    raise OutOfReach(f"its loss is no number at step {trainer.steps_done}")
                expected = (time.monotonic() - began) / trainer.steps_done * wanted[-1]
                if trainer.steps_done >= ESTIMATED and expected > longest:
                    raise OutOfReach(f"to compute the last one's state would take about {expected:.0f} s")
            states.append(b"".join(numbers.tobytes() for numbers in trainer.optimizer.state()))
    except ArithmeticError as error:
        raise OutOfReach(f"training fails at step {trainer.steps_done + 1} ({error})") from None
    return states


def _read(path: pathlib.Path, count: int) -> list[bytes] | None:
    """So many states that were kept; None where there are none."""
    states = kept.read(path)
    if states is None or len(states) % max(1, count):
        return None
    size = len(states) // max(1, count)
    return [states[start : start + size] for start in range(0, len(states), size)] if states else []
