"""What functions of `bench.api.reading` and `bench.api.explaining` return that the host has no type of its own for."""

from __future__ import annotations

import dataclasses
import pathlib

from bench.api import Path
from bench.host.pages import history as following
from bench.host.pages import history_chart
from bench.host.results.run import Run
from bench.host.results.table import Table
from bench.host.results.warm_up import WarmUp


@dataclasses.dataclass(frozen=True)
class History:
    """Runs on disk with the ratios to follow; ``table`` has a row a run, and lines about where a ratio changed."""

    runs: list[Run]
    ratios: list[following.FollowedRatio]
    table: Table

    def changes(self) -> list[str]:
        """The runs at which a ratio changed, a line each."""
        return following.changes(self.runs, self.ratios)

    def plot(self, path: Path) -> None:
        """Write the ratios as a chart: .svg, .png or .html. Raises UsageError where it cannot be written."""
        history_chart.check_plot(pathlib.Path(path))
        history_chart.plot(self.runs, self.ratios, pathlib.Path(path))


@dataclasses.dataclass(frozen=True)
class WarmUps:
    """The warm-up of each cell of a run that has one to show."""

    run: Run
    cells: list[WarmUp]


@dataclasses.dataclass(frozen=True)
class Profile:
    """``shares``: the functions with the most samples and their share of all, from the largest; ``graph``: the flame graph."""

    engine: str
    runtime: str
    shares: list[tuple[str, float]]
    graph: pathlib.Path
