"""What the commands show of runs on disk, as functions: ``bench.load_run``, ``bench.render`` and the pages.

Arguments are the commands' options, with the same names and defaults. A run is given as what `measure` returned, or as a
folder, the name of one under ``results``, or "latest". Bad input is a UsageError in one line. Nothing is printed or
written: a page is returned as text.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence

from bench.api import RESULTS, Path
from bench.api.results import History, Profile, WarmUps
from bench.host.measure import experiments, training
from bench.host.measure import ladder as climbing
from bench.host.measure import profiler as profiling
from bench.host.measure.arithmetic import arithmetic, positions
from bench.host.pages import claims as claims_page
from bench.host.pages import engine_list
from bench.host.pages import explain as explaining
from bench.host.pages import history as following
from bench.host.pages import report as reporting
from bench.host.results import peers as peers_file
from bench.host.results import scaling, store
from bench.host.results.comparison import Comparison
from bench.host.results.comparison import compare as compare_sides
from bench.host.results.kinds import find
from bench.host.results.ladder import Ladder
from bench.host.results.peers import PeersRun
from bench.host.results.records import SCHEMA, ClaimsRecord
from bench.host.results.run import Run
from bench.host.results.scaling import Scaling
from bench.host.results.table import Table
from bench.host.results.warm_up import warm_ups
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
    return compare_sides(one, other, lambda path: find(path, pathlib.Path(results)), allow_mismatch)


def load_run(run: Path = "latest", *, kinds: Sequence[str] = ("run", "check"), results: Path = RESULTS) -> Run:
    """A run on disk: a folder, the name of one under ``results``, or the latest one there.

    ``kinds``: the commands that may have made it.
    """
    return store.load(find(pathlib.Path(run), pathlib.Path(results), kinds))


def load_scaling(run: Path = "latest", *, results: Path = RESULTS) -> Scaling:
    """What `bench.scale` made, from disk."""
    return scaling.load(find(pathlib.Path(run), pathlib.Path(results), ["scale"]))


def load_peers(run: Path = "latest", *, results: Path = RESULTS) -> PeersRun:
    """What `bench.peers` made, from disk."""
    return peers_file.load(find(pathlib.Path(run), pathlib.Path(results), ["peers"]))


def report(run: Run) -> str:
    """A run as one HTML page, as ``microgpt-bench report`` makes it."""
    return reporting.page(run)


def plots(run: Run, folder: Path, charts: Sequence[str] = (), *, style: str = "svg") -> list[pathlib.Path]:
    """The charts of a run's report, or those named, as files of a folder: "svg" or "png". Returns their paths."""
    if style not in ("svg", "png"):
        raise UsageError(f"no style {style!r}: choose from svg, png")
    return reporting.write_plots(run, pathlib.Path(folder), style, charts)


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
    beside = None if peers is None else load_peers(peers, results=results)
    claims_page.page(measured, ClaimsRecord(SCHEMA, {}), beside)  # can it be written?
    with Workspace() as workspace, RunProgress(len(measured.record.runtimes)) as progress:
        workspace.lock(measured.folder)
        done = experiments.measure(measured, again, progress)
    return claims_page.page(measured, done, beside)


def warmup(run: Run | Path = "latest", *, results: Path = RESULTS) -> WarmUps:
    """After how many steps each cell of a run is at its steady speed, as ``microgpt-bench warmup`` shows it."""
    measured = _run(run, results)
    return WarmUps(measured, warm_ups(measured, positions(measured)))


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
    return Profile(name, runtime.name, shares, graph)


def list_engines() -> Table:
    """The built-in engines, a row each: parent, change, promised parity."""
    return engine_list.table()


def generated_source(engine: str) -> str:
    """The source that an engine generates for the default model. Raises UsageError for one that generates none."""
    return training.generated_source(engine)


# --------------------------------------------------------------------- parts


def _run(run: Run | Path, results: Path) -> Run:
    return run if isinstance(run, Run) else store.load(find(pathlib.Path(run), pathlib.Path(results)))
