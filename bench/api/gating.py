"""The gate and what is known of it, as functions: ``bench.check``, ``bench.calibrate`` and ``bench.evaluate``.

They take what the commands' options take, as those of `bench.api.measuring` do, and raise the same.
"""

from __future__ import annotations

import itertools
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import Unpack

from bench.api import RESULTS, Path
from bench.api.requests import Options, plan_record, request
from bench.host.gate import bisect as bisecting
from bench.host.gate import check as checking
from bench.host.gate import holds
from bench.host.gate import trials as trying
from bench.host.measure.session import Session, now
from bench.host.pages import calibration as calibration_page
from bench.host.pages import recordings as recordings_page
from bench.host.pages import rendering, verdicts
from bench.host.results import store
from bench.host.results.bisection import Bisection
from bench.host.results.calibration import Calibration, path_of
from bench.host.results.recordings import read as read_recordings
from bench.host.results.table import Table
from bench.host.results.verdicts import Outcome, Row, Rules
from bench.host.stats.sequential import Gate
from bench.host.system.errors import Interrupted, UsageError
from bench.workload.config import Config
from bench.workload.data import DEFAULT
from bench.workload.model_file import write_atomically


def check(
    engines: Sequence[str] = (),
    pythons: Sequence[str] = (),
    *,
    against: str | None = None,
    against_python: str | None = None,
    baseline: Path | None = None,
    threshold: float | None = None,
    hold: Sequence[str] = (),
    instructions: bool = True,
    strict: bool = False,
    allow_mismatch: bool = False,
    inject: Mapping[str, float] | None = None,
    env: Sequence[str] = (),
    data: str = DEFAULT,
    config: Config | None = None,
    steps: int = 6,
    budget: float = 300.0,
    results: Path = RESULTS,
    name: str | None = None,
    cluster: str | None = None,
    wait: float = 60.0,
    **options: Unpack[Options],
) -> Outcome:
    """Has an engine become slower, or wrong? As ``microgpt-bench check`` decides it; ``exit_status`` is the command's.

    ``against``: a git revision, ``against_python``: another Python, ``baseline``: an earlier run; one of them, or none for
    the committed run. ``inject``: shares of a step's time by engine, put in to see the gate find them. ``cluster`` and ``wait``:
    as of `measure`; of the pool's machines those of one kind measure.
    """
    folder = pathlib.Path(results)
    store.check_name(name)
    base = checking.baseline(
        against, against_python, None if baseline is None else pathlib.Path(baseline), folder, engines
    )
    gate = Gate(base.threshold if threshold is None else threshold)
    rules = Rules(gate, holds.choose(hold, base.way), instructions, strict, allow_mismatch)
    plan = plan_record(steps, gate.looks[-1], budget, options)
    asked = request("check", engines, pythons, env, data, config, plan, options, inject or {})
    notes = [f"injected: {engine}={share:g}" for engine, share in (inject or {}).items()]
    with Session() as session:
        outcome = checking.run(session, asked, base, rules, folder / (name or f"check-{now()}"), notes, cluster, wait)
        verdicts.keep(outcome)
    return outcome


def bisect(
    good: str,
    bad: str = "HEAD",
    *,
    engine: str = "combined",
    python: str | None = None,
    budget: float = 120.0,
    threshold: float = 0.01,
    results: Path = RESULTS,
    command: Sequence[str] | None = None,
) -> Bisection:
    """The commit after ``good`` that changed an engine's speed, or the build of Python, as ``microgpt-bench bisect`` finds it.

    ``good``, ``bad``: revisions of the engine's repository, ``bad`` the one that is checked out; or folders of two builds
    in one folder. Each step is a check of ``budget`` seconds, whose run is kept under ``results``. Raises as `check` does.
    """
    folders = [text for text in (good, bad) if pathlib.Path(text).is_dir()]
    between_builds = len(folders) == 2
    if len(folders) == 1 and pathlib.Path(folders[0]).name != folders[0]:  # a path, and no revision's name
        missing = bad if folders[0] == good else good
        raise UsageError(
            f"{folders[0]} is a folder and {missing} is none: give two builds of a folder, or two revisions"
        )
    if between_builds and python is not None:
        raise UsageError("--python is for a search between commits: the builds are the Pythons here")
    search = (
        bisecting.builds(pathlib.Path(good), pathlib.Path(bad))
        if between_builds
        else bisecting.commits(good, bad, engine)
    )
    start, steps = now(), itertools.count(1)

    def judge(candidate: bisecting.Candidate) -> Row:
        outcome = check(
            [engine],
            [candidate.name] if between_builds else [python] if python else [],
            against=None if between_builds else candidate.name,
            against_python=search.good.name if between_builds else None,
            threshold=threshold,
            hold=[f"{quantity}=off" for quantity in holds.AGAINST["python" if between_builds else "revision"]],
            budget=budget,
            results=results,
            name=f"bisect-{start}-{next(steps)}",
            command=command,
        )
        return bisecting.row_of(outcome.rows)

    return bisecting.run(engine, search, bad, judge, lambda line: print(line, file=sys.stderr))


def calibrate(
    engine: str = "combined",
    python: str | None = None,
    *,
    null_trials: int = 24,
    slowdowns: Sequence[tuple[float, float]] = ((0.05, 1.0), (0.02, 4.0)),
    trials: int = 8,
    counts: int = 0,
    count_slowdown: float = 0.005,
    busy_core: bool = False,
    add: bool = False,
    limit: float = 1200.0,
    threshold: float = 0.01,
    budget: float = 25.0,
    results: Path = RESULTS,
    cluster: str | None = None,
    wait: float = 60.0,
    command: Sequence[str] | None = None,
) -> Calibration | list[Calibration]:
    """What this machine can see, as ``microgpt-bench calibrate`` measures and keeps it, with a page beside it.

    ``slowdowns``: each a share of a step, and how many times the ``budget`` a trial of it has. ``finished`` of the
    Interrupted that a user's interrupt raises has the trials that were finished; they are kept. ``cluster`` and ``wait``: as of
    `measure`; each of the pool's machines has its own calibration then, and a list of them comes back.
    """
    asked = trying.Asked(
        null_trials, slowdowns, trials, counts, count_slowdown, busy_core, limit, budget, Gate(threshold)
    )
    wanted = trying.request(engine, python, budget, command or ["bench.calibrate"])
    calibration: Calibration | list[Calibration]
    try:
        with Session() as session:
            if cluster is not None:
                calibration = trying.run_on_pool(session, wanted, asked, pathlib.Path(results), add, cluster, wait)
            else:
                calibration = trying.run(session, wanted, asked, pathlib.Path(results), add)
    except Interrupted as ended:
        if ended.finished is not None:
            _keep_pages(ended.finished, results)
        raise
    _keep_pages(calibration, results)
    return calibration


def evaluate(recordings: Path, *, threshold: float = 0.01, trials: int = 8) -> list[Table]:
    """How the estimators and the gate do on recorded pairs of rounds; the tables, which are written beside the file, too.

    As ``microgpt-bench calibrate --recordings`` does it: ``trials`` of the gate at each slowdown, on resampled rounds.
    """
    path, gate = pathlib.Path(recordings), Gate(threshold)
    what, pairs = read_recordings(path)
    tables = [
        recordings_page.estimators(what, pairs),
        recordings_page.simulations(12, 6, 10 * trials),
        recordings_page.checks(pairs, gate, trials),
    ]
    write_atomically(path.with_suffix(".md"), rendering.render_tables(tables, "github") + "\n")
    return tables


# --------------------------------------------------------------------- parts


def _keep_pages(finished: Calibration | list[Calibration], results: Path) -> None:
    for calibration in finished if isinstance(finished, list) else [finished]:
        path = path_of(pathlib.Path(results), calibration.machine).with_suffix(".md")
        write_atomically(path, rendering.render_table(calibration_page.table(calibration), "github") + "\n")
