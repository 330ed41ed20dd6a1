"""What the commands that explain do, as functions: they train, profile or try something, and say what they saw.

Arguments are the commands' options, with the same names and defaults. A run is given as in `bench.api.reading`. Bad input
is a UsageError in one line. Nothing is printed: a page is returned as text.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence

from bench.api import RESULTS, Path
from bench.api.reading import load_peers, run_of
from bench.api.results import Profile, WarmUps
from bench.host.measure import breakdown as breaking_down
from bench.host.measure import experiments, training
from bench.host.measure import ladder as ladder_models
from bench.host.measure import profiler as profiling
from bench.host.measure.arithmetic import arithmetic, positions
from bench.host.pages import breakdown as breakdown_page
from bench.host.pages import claim_registry, engine_list
from bench.host.pages import claims as claims_page
from bench.host.pages import explain as explain_page
from bench.host.pages import ladder as ladder_pages
from bench.host.results import kinds
from bench.host.results.ladder import Ladder
from bench.host.results.records import SCHEMA, ClaimsRecord
from bench.host.results.run import Run
from bench.host.results.table import Table
from bench.host.results.warm_up import warm_ups
from bench.host.system import datasets
from bench.host.system.errors import UsageError
from bench.host.system.progress import RunProgress
from bench.host.system.workspace import Workspace
from bench.workload.config import Config
from bench.workload.data import DEFAULT


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
    measured = run_of(run, results)
    off, long = (None if other is None else run_of(other, results) for other in (gc_off, longer))
    names = list(measured.record.runtimes)
    name = python or names[-1]
    if name not in names:
        raise UsageError(f"{measured.folder.name} has no runtime {name}: choose from {', '.join(names)}")
    profiles = profiling.of_run(measured, name, seconds)
    return explain_page.page(measured, profiles, name, arithmetic(measured), off, long)


def claims(
    *runs: Run | Path,
    peers: Path | Sequence[Path] | None = None,
    again: bool = False,
    registry: Path | None = None,
    results: Path = RESULTS,
) -> str:
    """The page that compares others' claims with runs, in Markdown, as ``microgpt-bench claims`` writes it.

    Each claim is looked up in the run that says most of it: of most steps, then of most rounds. ``peers``: a run of
    `bench.peers`, or several, for claims about other programs. Experiments that the first run has not yet, or all with
    ``again``, are done on its runtimes, and kept with it; what is kept with the others is read. ``registry``: a file of claims
    of your own, in the format of bench/host/pages/claims.toml, instead of that. Raises UsageError, also for no run.
    """
    claimed = claim_registry.load(claim_registry.PATH if registry is None else pathlib.Path(registry))
    if not runs:
        raise UsageError("no run to compare claims with: give one or more")
    measured = [run_of(run, results) for run in runs]
    others = [peers] if isinstance(peers, (str, os.PathLike)) else peers or ()
    beside = [load_peers(other, results=results) for other in others]
    kept = [
        ClaimsRecord(SCHEMA, {}) if again and not number else experiments.kept(run)
        for number, run in enumerate(measured)
    ]
    page = claims_page.page(claimed, measured, kept, beside)  # can it be written?
    lacking = [name for name in measured[0].record.runtimes if name not in kept[0].runtimes]
    if not lacking:
        return page
    with Workspace() as workspace, RunProgress(len(lacking)) as progress:
        workspace.lock(measured[0].folder)
        kept[0] = experiments.measure(measured[0], again, progress)
    return claims_page.page(claimed, measured, kept, beside)


def breakdown(
    run: Run | Path = "latest",
    engines: Sequence[str] = (),
    runtimes: Sequence[str] = (),
    *,
    again: bool = False,
    seconds: float = breaking_down.SECONDS,
    timeout: float = breaking_down.TIMEOUT,
    results: Path = RESULTS,
) -> str:
    """The page of where the time of a run's steps goes, in Markdown, as ``microgpt-bench breakdown`` writes it.

    Cells of the run that are not broken down yet, or all chosen ones with ``again``, are counted under Valgrind, each
    process for at most ``timeout`` seconds, and sampled by perf for ``seconds``; what was found is kept with the run. `plots` writes the page's pictures.
    Raises UsageError, also where the interpreter has no symbols.
    """
    folder = run.folder if isinstance(run, Run) else kinds.find(pathlib.Path(run), pathlib.Path(results))
    return breakdown_page.page(*breaking_down.run(folder, engines, runtimes, again, seconds, timeout))


def warmup(run: Run | Path = "latest", *, results: Path = RESULTS) -> WarmUps:
    """After how many steps each cell of a run is at its steady speed, as ``microgpt-bench warmup`` shows it."""
    measured = run_of(run, results)
    return WarmUps(measured, warm_ups(measured, positions(measured)))


def ladder(data: str = DEFAULT, *, steps: int = 1000) -> Ladder:
    """Train each model from counting letter pairs to the GPT, as ``microgpt-bench ladder`` does."""
    path = str(datasets.locate(data))
    with RunProgress(None) as progress:
        return ladder_models.train_all(path, data, steps, progress)


def ladder_page(trained: Ladder) -> str:
    """What ``microgpt-bench ladder --output`` writes: the models of `ladder` in Markdown, with what each step up brings."""
    return ladder_pages.page(ladder_pages.table(trained))


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
