"""What the commands measure, as functions: ``bench.measure`` and the others beside it.

They take what the commands' options take, under the same names and with the same defaults; durations are seconds.
Progress goes to standard error. What cannot be done is a UsageError, WorkloadError or EngineError in one line; a user's
interrupt is an Interrupted, after which what was finished is on disk.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TypedDict, Unpack

from bench.api import RESULTS, Path
from bench.host.gate import check as gating
from bench.host.gate import holds
from bench.host.gate import trials as trying
from bench.host.measure import counters, lockstep, peer_file, valgrind
from bench.host.measure import peers as peering
from bench.host.measure import scale as scaling
from bench.host.measure.prepare import Request
from bench.host.measure.session import Session, now
from bench.host.pages import rendering, run_tables, verdicts
from bench.host.results import checks, kinds, store
from bench.host.results.calibration import Calibration
from bench.host.results.peers import PeersRecord
from bench.host.results.records import LEAD_IN, REFERENCE, PlanRecord
from bench.host.results.run import Run
from bench.host.results.scaling import FACTORS, Scaling, check_factors
from bench.host.results.verdicts import Outcome, Rules
from bench.host.stats.sequential import Gate
from bench.host.system import interpreters
from bench.host.system.errors import UsageError
from bench.workload.config import Config
from bench.workload.data import DEFAULT


class Options(TypedDict, total=False):
    """How workers take their steps, and by which clock: of every function that measures, with DEFAULTS.

    ``min_time``: seconds for which a shorter step is repeated; ``timeout``: seconds after which a worker that does not
    answer has failed; ``gc``: "on", "off" or "freeze"; ``clock``: "cpu" or "wall"; ``affinity``: the only CPUs, None for all.
    """

    min_time: float
    timeout: float
    gc: str
    clock: str
    affinity: Iterable[int] | None


DEFAULTS: Options = {"min_time": 0.02, "timeout": 60.0, "gc": "on", "clock": "cpu", "affinity": None}


def measure(
    engines: Sequence[str] = (),
    pythons: Sequence[str] = (),
    *,
    env: Sequence[str] = (),
    data: str = DEFAULT,
    config: Config | None = None,
    steps: int = 6,
    rounds: int = 5,
    budget: float = 300.0,
    from_start: bool = False,
    lead_in: int = LEAD_IN,
    results: Path = RESULTS,
    name: str | None = None,
    resume: Path | None = None,
    **options: Unpack[Options],
) -> Run:
    """Measure engines on Pythons in lockstep, into a new run's folder under ``results``, as ``microgpt-bench run`` does.

    ``engines``: names or paths of engine files, all built-in ones for none; ``pythons``: versions, or [NAME=]paths, every
    CPython found for none; ``env``: [RUNTIME:]NAME=VALUE texts, each a further runtime. ``steps`` are from all over the training
    run, each begun with the run's own state there, after ``lead_in`` untimed first steps; or with ``from_start``
    the first ones. ``resume``: a run to go on with;
    the other arguments are its own then.

    The run that comes back may have cells that failed or diverged: `Run.good` says so, and `Run.status` why.
    """
    folder = pathlib.Path(results)
    store.check_name(name)
    with Session() as session:
        if resume is not None:
            run = lockstep.resume(session, kinds.find(pathlib.Path(resume), folder))
        else:
            plan = _plan(steps, rounds, budget, options)
            request = _request("run", engines, pythons, env, data, config, plan)
            request = dataclasses.replace(request, spread=not from_start, lead_in=lead_in)
            run = lockstep.run(session, request, folder / (name or now()))
    rendering.keep(run.folder, run_tables.render(run, "github"))
    return run


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
    **options: Unpack[Options],
) -> Outcome:
    """Has an engine become slower, or wrong? As ``microgpt-bench check`` decides it; ``exit_status`` is the command's.

    ``against``: a git revision, ``against_python``: another Python, ``baseline``: an earlier run; one of them, or none for
    the committed run. ``inject``: shares of a step's time by engine, put in to see the gate find them.
    """
    folder = pathlib.Path(results)
    store.check_name(name)
    base = gating.baseline(
        against, against_python, None if baseline is None else pathlib.Path(baseline), folder, engines
    )
    gate = Gate(base.threshold if threshold is None else threshold)
    rules = Rules(gate, holds.choose(hold, base.way), instructions, strict, allow_mismatch)
    plan = _plan(steps, gate.looks[-1], budget, options)
    request = _request("check", engines, pythons, env, data, config, plan, inject or {})
    notes = [f"injected: {engine}={share:g}" for engine, share in (inject or {}).items()]
    with Session() as session:
        outcome = gating.run(session, request, base, rules, folder / (name or f"check-{now()}"), notes)
        verdicts.keep(outcome)
    return outcome


def scale(
    engines: Sequence[str] = (),
    python: str | None = None,
    *,
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
    """How each engine's time grows with the model, as ``microgpt-bench scale`` measures it."""
    store.check_name(name)
    factors = {factor: list(values) for factor, values in zip(FACTORS, (n_embd, n_layer, block_size))}
    check_factors(factors)
    plan = _plan(steps, rounds, budget, options)
    request = _request("scale", engines, [python or interpreters.newest()], (), data, None, plan)
    with Session() as session:
        return scaling.run(session, request, factors, pathlib.Path(results) / (name or f"scale-{now()}"))


def peers(
    file: Path,
    engines: Sequence[str] = (),
    pythons: Sequence[str] = (),
    *,
    env: Sequence[str] = (),
    data: str = DEFAULT,
    config: Config | None = None,
    steps: int = 100,
    rounds: int = 3,
    budget: float = 600.0,
    results: Path = RESULTS,
    name: str | None = None,
    **options: Unpack[Options],
) -> tuple[Run, PeersRecord]:
    """Time the programs of a TOML file beside engines, as ``microgpt-bench peers`` does.

    Engines, the reference for none, use the random numbers of the first program unless ``config`` says others. `bench.host.results.peers.good` says
    whether all did well, ``over`` in the same module how many times as fast a program is.
    """
    store.check_name(name)
    programs = peer_file.read_file(pathlib.Path(file))
    config = config or Config(rng=programs[0].rng, gaussian=programs[0].gaussian)
    plan = _plan(steps, rounds, budget, options)
    request = _request(
        "peers", engines or [REFERENCE], list(pythons) or [interpreters.newest()], env, data, config, plan
    )
    folder, beside = pathlib.Path(results) / (name or f"peers-{now()}"), pathlib.Path(file).parent
    with Session() as session:
        record = peering.run(session, request, programs, beside, None, folder)
        return session.run, record


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
) -> Calibration:
    """What this machine can see, as ``microgpt-bench calibrate`` measures and keeps it.

    ``slowdowns``: each a share of a step, and how many times the ``budget`` a trial of it has.
    """
    asked = trying.Asked(
        null_trials, slowdowns, trials, counts, count_slowdown, busy_core, limit, budget, Gate(threshold)
    )
    request = trying.request(engine, python, budget, ["bench.calibrate"])
    with Session() as session:
        return trying.run(session, request, asked, pathlib.Path(results), add)[0]


def count(
    run: Run | Path = "latest",
    engines: Sequence[str] = (),
    runtimes: Sequence[str] = (),
    *,
    timeout: float = valgrind.TIMEOUT,
    results: Path = RESULTS,
) -> Run:
    """Add exact counters to a run, as ``microgpt-bench count`` does; `Run.counters` has them."""
    folder = run.folder if isinstance(run, Run) else kinds.find(pathlib.Path(run), pathlib.Path(results))
    with Session() as session:
        return counters.run(session, folder, engines, runtimes, timeout)[0]


# --------------------------------------------------------------------- parts


def _plan(steps: int, rounds: int, budget: float | None, options: Options) -> PlanRecord:
    """Raises UsageError for what the command line would refuse, TypeError for an option that there is not."""
    if unknown := [name for name in options if name not in DEFAULTS]:
        raise TypeError(f"there is no option {unknown[0]}: choose from {', '.join(DEFAULTS)}")
    chosen: Options = {**DEFAULTS, **options}
    plan = PlanRecord(
        steps=steps,
        rounds=rounds,
        turn_seconds=chosen["min_time"],
        timeout_seconds=chosen["timeout"],
        budget_seconds=budget,
        gc=chosen["gc"],
        order_seed=0,
        affinity=None if chosen["affinity"] is None else sorted(chosen["affinity"]),
        clock=chosen["clock"],
    )
    try:
        checks.check_plan(plan)
    except (ValueError, TypeError) as error:
        raise UsageError(f"cannot measure with these options: {error}") from None
    if rounds < 1:
        raise UsageError(f"rounds is {rounds}: give 1 or more")
    return plan


def _request(
    kind: str,
    engines: Sequence[str],
    pythons: Sequence[str],
    env: Sequence[str],
    data: str,
    config: Config | None,
    plan: PlanRecord,
    slowdowns: Mapping[str, float] | None = None,
) -> Request:
    for what, given in (("engines", engines), ("pythons", pythons), ("env", env)):
        if isinstance(given, str):
            raise UsageError(f"{what} must be a list, not the text {given!r}: give [{given!r}]")
    return Request(
        data=data,
        config=config or Config(),
        engine_names=[os.fspath(engine) for engine in engines],
        pythons=[os.fspath(python) for python in pythons],
        measuring=plan,
        base=None,
        command=["bench." + ("measure" if kind == "run" else kind)],
        switches=env,
        slowdowns=slowdowns or {},
        kind=kind,
    )
