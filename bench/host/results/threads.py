"""Several models trained at the same time, in threads of one process or in processes: ``threads.json`` of a run's folder."""

from __future__ import annotations

import dataclasses
import json
import pathlib

import cattrs
import numpy as np

from bench.host.results import checks, store
from bench.host.results.records import RunRecord
from bench.host.stats.paired import Ratio, paired_ratio, typical
from bench.host.system.errors import UsageError

WAYS = ("threads", "processes")
ENGINES = ("fused_dot", "combined", "compiled", "vector")  # measured unless others are named


@dataclasses.dataclass(frozen=True)
class Crew:
    """``count`` models of an engine on a runtime at the same time, one of WAYS.

    ``seconds``: (rounds, turns) of wall time until all had taken ``steps`` steps each. ``parity``: the worst of all their losses.
    """

    engine: str
    runtime: str
    way: str
    count: int
    steps: int
    seconds: list[list[float]]
    parity: str = ""
    status: str = "ok"
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class Threads:
    """All crews, and on what: ``threads.json`` of a run's folder. ``counts``: how many models at a time, 1 first.

    ``one_import``: the threads of a process share one import of the engine's file.
    """

    schema: int
    record: RunRecord
    counts: list[int]
    one_import: bool
    crews: list[Crew]

    def crew(self, engine: str, runtime: str, way: str, count: int) -> Crew | None:
        """The crew of that kind; one model alone is a thread."""
        wanted = (engine, runtime, "threads" if count == 1 else way, count)
        return next((c for c in self.crews if (c.engine, c.runtime, c.way, c.count) == wanted), None)

    def throughput(self, engine: str, runtime: str, way: str, count: int) -> Ratio | None:
        """How many times as many steps a second as one model alone takes, with a 95 % interval; None where there is none."""
        alone, crew = self.crew(engine, runtime, way, 1), self.crew(engine, runtime, way, count)
        if alone is None or crew is None or alone.status != "ok" or crew.status != "ok" or not crew.seconds:
            return None
        ratio = paired_ratio(np.array(alone.seconds), np.array(crew.seconds))
        low, high = (None if end is None else end * count for end in (ratio.low, ratio.high))
        return Ratio(ratio.value * count, low, high, ratio.rounds, ratio.outliers)

    def rate(self, engine: str, runtime: str) -> float | None:
        """Steps a second of one model alone, median; None where it has none."""
        alone = self.crew(engine, runtime, "threads", 1)
        if alone is None or alone.status != "ok" or not alone.seconds:
            return None
        return alone.steps / typical(alone.seconds)

    def good(self) -> bool:
        """Did every crew that could run agree?"""
        return all(crew.status in ("ok", "skipped") for crew in self.crews)


def load(folder: pathlib.Path) -> Threads:
    """Read a run's threads.json. Raises UsageError."""
    if not (folder / "threads.json").is_file():
        raise UsageError(f"{folder} has no threads.json: microgpt-bench threads makes one")
    return store.read(folder / "threads.json", Threads, _check)


def to_json(threads: Threads) -> str:
    """For programs."""
    return json.dumps(cattrs.unstructure(threads), indent=1, ensure_ascii=False)


def check_counts(counts: list[int]) -> None:
    """Raises UsageError unless they grow, from 1 on."""
    if len(counts) < 2 or counts != sorted(set(counts)) or counts[0] != 1 or counts[-1] > 256:
        raise UsageError(f"--threads {','.join(map(str, counts))}: give growing numbers from 1 on, as in 1,2,4")


def _check(threads: Threads) -> None:
    checks.check_run(threads.record)
    if threads.counts[:1] != [1] or threads.counts != sorted(set(threads.counts)):
        raise ValueError(f"its numbers of threads are {threads.counts!r:.60}")
    for crew in threads.crews:
        if crew.engine not in threads.record.engines or crew.runtime not in threads.record.runtimes:
            raise ValueError(f"it has {crew.engine!r:.60} on {crew.runtime!r:.60}, which its record has not")
        if crew.way not in WAYS or crew.count not in threads.counts or crew.steps < 1:
            raise ValueError(f"it has {crew.count} {crew.way!r:.60} of {crew.steps} steps")
        if crew.status not in ("ok", "diverged", "failed", "skipped"):
            raise ValueError(f"{crew.status!r:.60} is no status")
        for times in crew.seconds:
            checks.check_times(times, "seconds")
        alone = threads.crew(crew.engine, crew.runtime, crew.way, 1)
        both = crew.status == "ok" and alone is not None and alone.status == "ok"
        if both and alone is not None and list(map(len, crew.seconds)) != list(map(len, alone.seconds)):
            raise ValueError(f"{crew.engine} has other rounds with {crew.count} {crew.way} than alone")
