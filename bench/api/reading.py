"""What the commands show of runs on disk, as functions: ``bench.load_run``, ``bench.render`` and the pages.

Arguments are the commands' options, with the same names and defaults. A run is given as what `measure` returned, or as a
folder, the name of one under ``results``, or "latest". Bad input is a UsageError in one line. Nothing is printed or
written: a page is returned as text.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import pathlib
from collections.abc import Sequence

from bench.api import RESULTS, Path
from bench.host.measure import experiments, training
from bench.host.measure import ladder as climbing
from bench.host.measure import profiler as profiling
from bench.host.measure.arithmetic import arithmetic, positions
from bench.host.pages import claims as claims_page
from bench.host.pages import comparison, engine_list, history_chart, rendering, run_tables, verdicts
from bench.host.pages import explain as explaining
from bench.host.pages import history as following
from bench.host.pages import ladder as ladder_page
from bench.host.pages import report as reporting
from bench.host.pages import scaling as scaling_page
from bench.host.results import kinds, peers, store
from bench.host.results.comparison import Comparison
from bench.host.results.comparison import compare as compare_sides
from bench.host.results.ladder import Ladder
from bench.host.results.records import SCHEMA, ClaimsRecord
from bench.host.results.run import Run
from bench.host.results.scaling import Scaling
from bench.host.results.table import Table
from bench.host.results.verdicts import Outcome
from bench.host.results.warm_up import WarmUp, warm_ups
from bench.host.system import datasets
from bench.host.system.errors import UsageError
from bench.host.system.progress import RunProgress
from bench.host.system.workspace import Workspace
from bench.workload.config import Config
from bench.workload.data import DEFAULT


def compare(
    first: Path | Run, second: Path | Run, *, allow_mismatch: bool = False, results: Path = RESULTS
) -> list[Comparison]:
    """How many times as fast the second side is, for each runtime that both have: ``RUN``, ``RUN:RUNTIME`` or pyperf's file."""
    one, other = (os.fspath(side.folder if isinstance(side, Run) else side) for side in (first, second))
    return compare_sides(one, other, lambda path: kinds.find(path, pathlib.Path(results)), allow_mismatch)


def load_run(run: Path = "latest", *, results: Path = RESULTS) -> Run:
    """A run on disk: a folder, the name of one under ``results``, or the latest one there that run or check made."""
    return store.load(kinds.find(pathlib.Path(run), pathlib.Path(results), ["run", "check"]))


@functools.singledispatch
def render(what: object, style: str = "plain", base: str | None = None) -> str:
    """The tables of a run, a check's outcome, comparisons or a scaling as text: "plain", "github", "html" or "json".

    ``base``: the runtime that a run's others are compared with. Raises UsageError for a style that there is not.
    """
    raise UsageError(
        f"cannot make a table of a {type(what).__name__}: give a result of measure, check, compare or scale"
    )


@render.register
def _(what: Run, style: str = "plain", base: str | None = None) -> str:
    return run_tables.render(what, _style(style), base)


@render.register
def _(what: Outcome, style: str = "plain", base: str | None = None) -> str:
    return rendering.render_table(verdicts.table(what), _style(style))


@render.register
def _(what: Scaling, style: str = "plain", base: str | None = None) -> str:
    return "\n\n".join(rendering.render_table(table, _style(style)) for table in scaling_page.tables(what))


@render.register
def _(what: Comparison, style: str = "plain", base: str | None = None) -> str:
    return rendering.render_table(comparison.table(what), _style(style))


@render.register
def _(table: Table, style: str = "plain", base: str | None = None) -> str:
    return rendering.render_table(table, _style(style))


@render.register
def _(ladder: Ladder, style: str = "plain", base: str | None = None) -> str:
    return rendering.render_table(ladder_page.table(ladder), _style(style))


@render.register
def _(what: list, style: str = "plain", base: str | None = None) -> str:  # type: ignore[type-arg]
    return "\n\n".join(render(one, style) for one in what)


def report(run: Run) -> str:
    """A run as one HTML page, as ``microgpt-bench report`` makes it."""
    return reporting.page(run)


def explain(
    run: Run | Path,
    python: str | None = None,
    *,
    seconds: float = 3.0,
    gc_off: Run | Path | None = None,
    longer: Run | Path | None = None,
    results: Path = RESULTS,
) -> str:
    """The page that explains the engines of a run, in Markdown, as ``microgpt-bench explain`` writes it.

    ``python``: the run's runtime to profile on for ``seconds`` an engine, its newest CPython for None. ``gc_off``: a run
    without the collector, ``longer``: one of many steps, to compare with.
    """
    measured = _run(run, results)
    off, long = (None if other is None else _run(other, results) for other in (gc_off, longer))
    names = list(measured.record.runtimes)
    name = python or names[-1]
    if name not in names:
        raise UsageError(f"{measured.folder.name} has no runtime {name}: choose from {', '.join(names)}")
    profiles = profiling.of_run(measured, name, seconds)
    return explaining.page(measured, profiles, name, arithmetic(measured), off, long)


def claims(run: Run | Path, *, peers: Path | None = None, again: bool = False, results: Path = RESULTS) -> str:
    """The page that holds others' claims against a run, in Markdown, as ``microgpt-bench claims`` writes it.

    ``peers``: a run of `bench.peers`, for claims about other languages. Experiments that the run has not yet, or all with
    ``again``, are done on its runtimes, and kept with it.
    """
    measured = _run(run, results)
    beside = None if peers is None else _peers(peers, results)
    claims_page.page(measured, ClaimsRecord(SCHEMA, {}), beside)  # can it be written?
    with Workspace() as workspace, RunProgress(len(measured.record.runtimes)) as progress:
        workspace.lock(measured.folder)
        done = experiments.measure(measured, again, progress)
    return claims_page.page(measured, done, beside)


def warmup(run: Run | Path = "latest", *, results: Path = RESULTS) -> list[WarmUp]:
    """After how many steps each cell of a run is at its steady speed, as ``microgpt-bench warmup`` shows it."""
    measured = _run(run, results)
    return warm_ups(measured, positions(measured))


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


def history(ratios: Sequence[str] | None = None, python: str | None = None, *, results: Path = RESULTS) -> History:
    """The runs on disk with chosen ratios, each ENGINE or ENGINE/BASE, as ``microgpt-bench history`` lists them.

    ``ratios`` None: those of `bench.host.pages.history.HEADLINES` that the runs have. ``python``: the runtime to follow them
    on, the newest of each run for None.
    """
    runs, unread = following.load(pathlib.Path(results))
    wanted = [following.parse(text, python, runs) for text in (following.HEADLINES if ratios is None else ratios)]
    following.check(runs, [] if ratios is None else wanted, python)  # the default's engines need not be in a run
    return History(runs, wanted, following.table(runs, wanted, unread))


def ladder(data: str = DEFAULT, *, steps: int = 1000) -> Ladder:
    """Train each model from counting letter pairs to the GPT, as ``microgpt-bench ladder`` does."""
    path = str(datasets.locate(data))
    with RunProgress(None) as progress:
        return climbing.train_all(path, data, steps, progress)


def profile(
    engine: Path,
    python: str | None = None,
    *,
    data: str = DEFAULT,
    config: Config | None = None,
    seconds: float = 3.0,
    output: Path | None = None,
    profiler: str = "py-spy",
) -> Profile:
    """Where an engine's time goes on a Python, as ``microgpt-bench profile`` shows it; writes a flame graph, too."""
    name = os.fspath(engine)
    graph = profiling.graph_path(name, None if output is None else pathlib.Path(output), profiler)
    runtime, shares = profiling.profile(name, python, data, config or Config(), seconds, graph, profiler)
    return Profile(runtime.name, shares, graph)


@dataclasses.dataclass(frozen=True)
class Profile:
    """``shares``: the functions with the most samples and their share of all, from the largest; ``graph``: the flame graph."""

    runtime: str
    shares: list[tuple[str, float]]
    graph: pathlib.Path


def list_engines() -> Table:
    """The built-in engines, a row each: parent, change, promised parity."""
    return engine_list.table()


def generated_source(engine: str) -> str:
    """The source that an engine generates for the default model. Raises UsageError for one that generates none."""
    return training.generated_source(engine)


# --------------------------------------------------------------------- parts


def _run(run: Run | Path, results: Path) -> Run:
    return run if isinstance(run, Run) else store.load(kinds.find(pathlib.Path(run), pathlib.Path(results)))


def _peers(run: Path, results: Path) -> tuple[Run, peers.PeersRecord]:
    return peers.load(kinds.find(pathlib.Path(run), pathlib.Path(results), ["peers"]))


def _style(style: str) -> str:
    if style not in rendering.FORMATS:
        raise UsageError(f"no style {style!r}: choose from {', '.join(rendering.FORMATS)}")
    return style
