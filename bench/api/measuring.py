"""What the commands measure, as functions: ``bench.measure`` and the others beside it.

They take what the commands' options take, under the same names and with the same defaults; durations are seconds.
Progress goes to standard error. What cannot be done is a UsageError, WorkloadError or EngineError in one line; a user's
interrupt is an Interrupted, after which what was finished is on disk.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import shlex
from collections.abc import Sequence
from typing import Unpack

from bench.api import RESULTS, Path
from bench.api.requests import Options, plan_record, request, run_plan, with_compiled
from bench.host.measure import counters, lockstep, peer_file, pooled, valgrind
from bench.host.measure import peers as peering
from bench.host.measure import scale as scaling
from bench.host.measure import threads as threading
from bench.host.measure.session import Session, now
from bench.host.pages import peers as peers_page
from bench.host.pages import rendering, run_tables
from bench.host.pages import scaling as scaling_page
from bench.host.pages import threads as threads_page
from bench.host.results import kinds, merging, store
from bench.host.results.peers import PeersRun
from bench.host.results.records import LEAD_IN, REFERENCE
from bench.host.results.run import Run
from bench.host.results.scaling import FACTORS, Scaling, check_factors
from bench.host.results.threads import ENGINES, Threads, check_counts
from bench.host.system import interpreters
from bench.host.system.errors import UsageError
from bench.workload.config import Config
from bench.workload.data import DEFAULT


def measure(
    engines: Sequence[str] = (),
    pythons: Sequence[str] = (),
    *,
    compile: Sequence[str] = (),
    env: Sequence[str] = (),
    data: str = DEFAULT,
    config: Config | None = None,
    steps: int = 6,
    rounds: int | None = None,
    budget: float = 300.0,
    from_start: bool = False,
    lead_in: int | None = None,
    young: bool = False,
    part: str | None = None,
    base: str | None = None,
    results: Path = RESULTS,
    name: str | None = None,
    resume: Path | None = None,
    cluster: str | None = None,
    wait: float = 60.0,
    **options: Unpack[Options],
) -> Run:
    """Measure engines on Pythons in lockstep, into a new run's folder under ``results``, as ``microgpt-bench run`` does.

    ``engines``: names or paths of engine files, all built-in ones for none; ``pythons``: versions, or [NAME=]paths,
    every CPython found for none; ``compile``: compilers, each a row for each engine named, or the reference, as it is;
    ``env``: [RUNTIME:]NAME=VALUE texts, each a further runtime. ``steps`` are from all over the training run, each
    begun with the run's own state there, after ``lead_in`` untimed first steps, LEAD_IN for None, in processes whose
    memory is as after a long run, unless ``young``; or with ``from_start`` the first ones. ``rounds``: None for FEWEST to
    MOST of `bench.host.results.precision`, until the intervals are narrow; in parts and on a cluster FEWEST. ``part``:
    "2/8" measures the second of eight parts of the rounds, for `merge`. ``base``: the runtime that the run's tables.md
    compares the others with. ``resume``: a run to go on with; the other arguments are its own then. ``cluster``: the
    address of a Dask scheduler whose workers with the resource measure=1 measure, or "local:2" here; ``wait``: seconds
    for the first to come.

    ``options``, of every function here, are those of `bench.api.requests.Options`: ``min_time``, ``gc`` and so on.

    The run that comes back may have cells that failed or diverged: `Run.good` says so, and `Run.status` why.
    """
    folder = pathlib.Path(results)
    _check_fits(name, from_start, lead_in, young, part, cluster)
    with Session() as session:
        if resume is not None:
            found = kinds.find(pathlib.Path(resume), folder)
            run = (
                pooled.resume(session, found, cluster, wait) if cluster is not None else lockstep.resume(session, found)
            )
        else:
            plan = run_plan(steps, rounds, budget, options, part, pooled=cluster is not None)
            wanted = request("run", with_compiled(engines, compile), pythons, env, data, config, plan, options)
            lead_in = LEAD_IN if lead_in is None else lead_in
            wanted = dataclasses.replace(wanted, base=base, spread=not from_start, lead_in=lead_in, aged=not young)
            path = folder / (name or now())
            if cluster is not None:
                run = pooled.run(session, wanted, path, cluster, wait)
            else:
                run = lockstep.run(session, wanted, path)
    rendering.keep(run.folder, run_tables.render(run, "github", base))
    return run


def _check_fits(
    name: str | None, from_start: bool, lead_in: int | None, young: bool, part: str | None, cluster: str | None
) -> None:
    """Raise UsageError for arguments of `measure` that are none, or do not go together."""
    store.check_name(name)
    for option, asked in (("--lead-in", lead_in is not None), ("--young", young)):
        if from_start and asked:
            raise UsageError(
                f"{option} is for steps spread over the training run, --from-start for its first: give one of them"
            )
    if lead_in is not None and lead_in < 0:
        raise UsageError(f"lead_in is {lead_in}: give 0 or more")
    if part is not None and cluster is not None:
        raise UsageError("--part is for machines without a pool, and --cluster has one: give one of them")


def merge(
    runs: Sequence[Run | Path],
    *,
    base: str | None = None,
    results: Path = RESULTS,
    name: str | None = None,
    command: Sequence[str] | None = None,
) -> Run:
    """Join runs of one plan, or parts of it, into one run, as ``microgpt-bench merge`` does.

    Its speedups are of each machine first, then across machines: `Run.across`. Raises UsageError for what doesn't fit.
    """
    if isinstance(runs, str):
        raise UsageError(f"runs must be a list, not the text {runs!r}: give [{runs!r}]")
    store.check_name(name)
    folder = pathlib.Path(results)
    folders = [run.folder if isinstance(run, Run) else kinds.find(pathlib.Path(run), folder) for run in runs]
    run = merging.merge(folders, folder / (name or now()), shlex.join(command or ["bench.merge"]), base)
    rendering.keep(run.folder, run_tables.render(run, "github", base))
    return run


def scale(
    engines: Sequence[str] = (),
    pythons: Sequence[str] = (),
    *,
    env: Sequence[str] = (),
    n_embd: Sequence[int] = (16, 32, 64),
    n_layer: Sequence[int] = (1, 2, 4),
    block_size: Sequence[int] = (16, 32, 64),
    data: str = DEFAULT,
    steps: int = 3,
    rounds: int = 3,
    budget: float = 3600.0,
    results: Path = RESULTS,
    name: str | None = None,
    **options: Unpack[Options],
) -> Scaling:
    """How each engine's time grows with the model, as ``microgpt-bench scale`` measures it, on one Python."""
    store.check_name(name)
    factors = {factor: list(values) for factor, values in zip(FACTORS, (n_embd, n_layer, block_size))}
    check_factors(factors)
    plan = plan_record(steps, rounds, budget, options)
    wanted = request("scale", engines, pythons or [interpreters.newest()], env, data, None, plan, options)
    with Session() as session:
        scaled = scaling.run(session, wanted, factors, pathlib.Path(results) / (name or f"scale-{now()}"))
    rendering.keep(session.run.folder, rendering.render_tables(scaling_page.tables(scaled), "github"))
    return scaled


def threads(
    engines: Sequence[str] = (),
    pythons: Sequence[str] = (),
    *,
    threads: Sequence[int] = (1, 2, 4),
    one_import: bool = False,
    env: Sequence[str] = (),
    data: str = DEFAULT,
    config: Config | None = None,
    steps: int = 6,
    rounds: int = 5,
    budget: float = 600.0,
    results: Path = RESULTS,
    name: str | None = None,
    command: Sequence[str] | None = None,
) -> Threads:
    """How much more gets done by several models at the same time, as ``microgpt-bench threads`` measures it.

    ``engines``: some of different styles for none. ``threads``: how many, 1 first; each number is measured in threads of one process and in processes.
    ``one_import``: the threads share one import of the engine's file, else each model has its own. `Threads.throughput` is
    steps a second of all together over those of one alone.
    """
    store.check_name(name)
    counts = list(threads)
    check_counts(counts)
    plan = dataclasses.replace(plan_record(steps, rounds, budget, {}), clock="wall")
    options: Options = {"command": command}
    wanted = request(
        "threads", engines or ENGINES, pythons or [interpreters.newest()], env, data, config, plan, options
    )
    with Session() as session:
        path = pathlib.Path(results) / (name or f"threads-{now()}")
        measured = threading.run(session, wanted, counts, one_import, path)
    rendering.keep(session.run.folder, rendering.render_tables(threads_page.tables(measured), "github"))
    return measured


def peers(
    file: Path,
    engines: Sequence[str] = (),
    pythons: Sequence[str] = (),
    *,
    env: Sequence[str] = (),
    data: str = DEFAULT,
    config: Config | None = None,
    own_rng: bool | None = None,
    oracle: Path | None = None,
    steps: int = 100,
    rounds: int = 3,
    budget: float = 600.0,
    base: str | None = None,
    results: Path = RESULTS,
    name: str | None = None,
    **options: Unpack[Options],
) -> PeersRun:
    """Time the programs of a TOML file beside engines, as ``microgpt-bench peers`` does.

    Engines, the reference for none, use the random numbers of the first program, or with ``own_rng`` those of ``config``;
    None: of ``config`` where it is given. ``oracle``: an engine that stands in for the reference in all rounds, once it was
    bit-identical with it over a few steps. ``base``: the row of the run's tables.md that speedups are relative to, the
    reference or its oracle for None. `PeersRun.good` says whether all did well, `PeersRun.over` how many times as fast a program is.
    """
    store.check_name(name)
    programs = peer_file.read_file(pathlib.Path(file))
    if config is None or own_rng is False:
        config = dataclasses.replace(config or Config(), rng=programs[0].rng, gaussian=programs[0].gaussian)
    plan = plan_record(steps, rounds, budget, options)
    wanted = request(
        "peers", engines or [REFERENCE], pythons or [interpreters.newest()], env, data, config, plan, options
    )
    if oracle is not None:
        wanted = dataclasses.replace(wanted, engine_names=[os.fspath(oracle), *engines])
    folder, beside = pathlib.Path(results) / (name or f"peers-{now()}"), pathlib.Path(file).parent
    with Session() as session:
        measured = peering.run(session, wanted, programs, beside, base, folder, oracle is not None)
    rendering.keep(measured.run.folder, rendering.render_tables(peers_page.tables(measured, base), "github"))
    return measured


def count(
    run: Run | Path = "latest",
    engines: Sequence[str] = (),
    runtimes: Sequence[str] = (),
    *,
    timeout: float = valgrind.TIMEOUT,
    results: Path = RESULTS,
) -> Run:
    """Add exact counters to a run, as ``microgpt-bench count`` does; `Run.counters` has them.

    `Run.uncounted` has the cells whose process failed.
    """
    folder = run.folder if isinstance(run, Run) else kinds.find(pathlib.Path(run), pathlib.Path(results))
    with Session() as session:
        return counters.run(session, folder, engines, runtimes, timeout)
