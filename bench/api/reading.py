"""What the commands show of runs on disk, as functions: ``bench.load_run``, ``bench.compare`` and others.

Arguments are the commands' options, with the same names and defaults. A run is given as what `measure` returned, or as a
folder, the name of one under ``results``, or "latest". Bad input is a UsageError in one line. Nothing is printed: a page
is returned as text.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence

from bench.api import RESULTS, Path
from bench.api.results import History
from bench.host.pages import history as following
from bench.host.pages import report as reporting
from bench.host.results import peers as peers_file
from bench.host.results import scaling, store, threads
from bench.host.results.comparison import Comparison
from bench.host.results.comparison import compare as compare_sides
from bench.host.results.kinds import find
from bench.host.results.peers import PeersRun
from bench.host.results.run import Run
from bench.host.results.scaling import Scaling
from bench.host.results.threads import Threads
from bench.host.system.errors import UsageError


def compare(
    first: Path | Run,
    second: Path | Run,
    *,
    over: str | None = None,
    allow_mismatch: bool = False,
    results: Path = RESULTS,
) -> list[Comparison]:
    """How many times as fast the second side is, for each runtime that both have: ``RUN``, ``RUN:RUNTIME`` or pyperf's file.

    Of one run of `bench.peers` two rows are compared as ``RUN:ROW``. ``over``: compare each engine's speedup over this, an
    engine, "parent" or "ENGINE on RUNTIME", in place of its time.
    """
    one, other = (os.fspath(side.folder if isinstance(side, Run) else side) for side in (first, second))
    return compare_sides(
        one, other, lambda path: find(path, pathlib.Path(results), ["run", "peers"]), allow_mismatch, over
    )


def load_run(run: Path = "latest", *, kinds: Sequence[str] = ("run", "check"), results: Path = RESULTS) -> Run:
    """A run on disk: a folder, the name of one under ``results``, or the latest one there.

    ``kinds``: the commands that may have made it.
    """
    return store.load(find(pathlib.Path(run), pathlib.Path(results), kinds))


def load_scaling(run: Path = "latest", *, results: Path = RESULTS) -> Scaling:
    """What `bench.scale` made, from disk."""
    return scaling.load(find(pathlib.Path(run), pathlib.Path(results), ["scale"]))


def load_threads(run: Path = "latest", *, results: Path = RESULTS) -> Threads:
    """What `threads` measured, read from its run's folder, its name under ``results``, or "latest". Raises UsageError."""
    return threads.load(find(pathlib.Path(run), pathlib.Path(results), ["threads"]))


def load_peers(run: Path = "latest", *, results: Path = RESULTS) -> PeersRun:
    """What `bench.peers` made, from disk."""
    return peers_file.load(find(pathlib.Path(run), pathlib.Path(results), ["peers"]))


def report(run: Run, *, over: str | None = None) -> str:
    """A run as one HTML page, as ``microgpt-bench report`` makes it. ``over``: as of `bench.render`, or a row of peers."""
    return reporting.page(run, over)


def is_good(run: Run) -> bool:
    """Did every cell that could run do well, and of a run of `bench.peers` every program?"""
    return reporting.good(run)


def plots(
    run: Run, folder: Path, charts: Sequence[str] = (), *, style: str = "svg", over: str | None = None
) -> list[pathlib.Path]:
    """The charts of a run's report, or those named, as files of a folder: "svg" or "png". Returns their paths."""
    if style not in ("svg", "png"):
        raise UsageError(f"no style {style!r}: choose from svg, png")
    return reporting.write_plots(run, pathlib.Path(folder), style, charts, over)


def history(ratios: Sequence[str] | None = None, python: str | None = None, *, results: Path = RESULTS) -> History:
    """The runs on disk with chosen ratios, each ENGINE or ENGINE/BASE (also programs of `bench.peers`), as ``microgpt-bench history`` lists them.

    ``ratios`` None: those of `bench.host.pages.history.HEADLINES` that the runs have. ``python``: the runtime to follow them
    on, the newest of each run for None.
    """
    runs, unread = following.load(pathlib.Path(results))
    wanted = [following.parse(text, python, runs) for text in (following.HEADLINES if ratios is None else ratios)]
    following.check(runs, [] if ratios is None else wanted, python)  # the default's engines need not be in a run
    return History(runs, wanted, following.table(runs, wanted, unread))


# --------------------------------------------------------------------- parts


def run_of(run: Run | Path, results: Path) -> Run:
    """A run, or the one on disk."""
    return run if isinstance(run, Run) else load_run(run, kinds=["run"], results=results)
