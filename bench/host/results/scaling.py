"""How an engine's time grows with the model: ``scale.json`` of a run's folder."""

from __future__ import annotations

import dataclasses
import itertools
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import cattrs

from bench.host.results import checks, store
from bench.host.results.records import RunRecord
from bench.host.system.errors import UsageError
from bench.workload.config import Config

FACTORS = ("n_embd", "n_layer", "block_size")


@dataclasses.dataclass(frozen=True)
class SizePoint:
    """One engine at one size. ``seconds``: each round's median step, processor time or wall as the plan says."""

    engine: str
    sizes: dict[str, int]
    seconds: list[float]
    nodes: float | None
    parity: str
    status: str = "ok"
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class Scaling:
    """All points, and on what: ``scale.json`` of a run's folder."""

    schema: int
    record: RunRecord
    factors: dict[str, list[int]]
    points: list[SizePoint]

    @property
    def left_out(self) -> list[str]:
        """The engines that the budget left no time for."""
        return [engine for engine in self.record.engines if engine not in {point.engine for point in self.points}]

    def good(self) -> bool:
        """Did every engine do well at every size that it can have?"""
        return all(point.status in ("ok", "skipped") for point in self.points)

    def series(self, engine: str, factor: str) -> list[SizePoint]:
        """An engine's points along one factor, the others at their smallest, by growing size."""
        rest = {name: values[0] for name, values in self.factors.items() if name != factor}
        points = [p for p in self.points if p.engine == engine and all(p.sizes[name] == v for name, v in rest.items())]
        return sorted(points, key=lambda point: point.sizes[factor])


def sizes(factors: Mapping[str, Sequence[int]]) -> list[dict[str, int]]:
    """The sizes to measure: one factor at a time, the others at their smallest."""
    base = {name: values[0] for name, values in factors.items()}
    return [base, *({**base, name: value} for name, values in factors.items() for value in values[1:])]


def load(folder: pathlib.Path) -> Scaling:
    """Read a run's scale.json. Raises UsageError."""
    if not (folder / "scale.json").is_file():
        raise UsageError(f"{folder} has no scale.json: microgpt-bench scale makes one")
    return store.read(folder / "scale.json", Scaling, lambda scaling: checks.check_scaling(scaling, FACTORS, sizes))


def to_json(scaling: Scaling) -> str:
    """For programs."""
    return json.dumps(cattrs.unstructure(scaling), indent=1, ensure_ascii=False)


def check_factors(factors: Mapping[str, Sequence[Any]]) -> None:
    """Raises UsageError for sizes that don't grow, WorkloadError for those that no model can have together."""
    for name, values in factors.items():
        if not values or list(values) != sorted(set(values)) or values[0] < 1:
            raise UsageError(
                f"--{name.replace('_', '-')} {','.join(map(str, values))}: give increasing sizes of 1 or more"
            )
    if all(len(values) < 2 for values in factors.values()):
        raise UsageError("no size grows: give at least two values of one, as in --n-embd 16,32")
    for values in itertools.product(*factors.values()):
        Config(**dict(zip(factors, values)))
