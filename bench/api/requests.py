"""What every function that measures takes, and the request that is made of it."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TypedDict

from bench.host.measure.compilers import COMPILERS, split
from bench.host.measure.prepare import Request
from bench.host.results import checks
from bench.host.results.precision import FEWEST, MOST
from bench.host.results.records import REFERENCE, PlanRecord
from bench.host.system.errors import UsageError
from bench.workload.config import Config
from engines import NAMES


class Options(TypedDict, total=False):
    """Of every function that measures, with DEFAULTS: how workers take their steps, and by which clock.

    ``min_time``: seconds for which a shorter step is repeated; ``timeout``: seconds after which a worker that does not
    answer has failed; ``gc``: "on", "off" or "freeze"; ``clock``: "cpu" or "wall"; ``affinity``: the only CPUs, None for all;
    ``command``: the words that the run says it was made by, None for the function's name.
    """

    min_time: float
    timeout: float
    gc: str
    clock: str
    affinity: Iterable[int] | None
    command: Sequence[str] | None


DEFAULTS: Options = {"min_time": 0.02, "timeout": 60.0, "gc": "on", "clock": "cpu", "affinity": None, "command": None}


def plan_record(steps: int, rounds: int, budget: float | None, options: Options) -> PlanRecord:
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


def run_plan(
    steps: int, rounds: int | None, budget: float | None, options: Options, part: str | None, pooled: bool
) -> PlanRecord:
    """`plan_record` of a run; for None until its intervals are narrow, but parts, and what a pool measures, are given out."""
    if rounds is not None or part is not None or pooled:
        return plan_part(plan_record(steps, FEWEST if rounds is None else rounds, budget, options), part)
    return dataclasses.replace(plan_record(steps, MOST, budget, options), fewest=FEWEST)


def plan_part(plan: PlanRecord, part: str | None) -> PlanRecord:
    """Part "K/N" of a plan, with every Nth of its rounds; all of it for None. Raises UsageError for no such part."""
    if part is None:
        return plan
    match = re.fullmatch(r"([1-9]\d{0,5})/([1-9]\d{0,5})", part, re.ASCII)
    number, of = map(int, match.groups()) if match else (1, 0)
    if number > of:
        raise UsageError(f"the part {part!r:.60} is none: write K/N, as in 2/8 for the second of eight")
    if of > plan.rounds:
        raise UsageError(f"{of} parts of {plan.rounds} rounds leave some with none: give at least {of} rounds in all")
    return dataclasses.replace(plan, part=[number, of], rounds=len(range(number, plan.rounds + 1, of)))


def with_compiled(engines: Sequence[str], compile: Sequence[str]) -> Sequence[str]:
    """The engines, and each of them, or the reference where none is named, compiled by each of these. Raises UsageError."""
    for what, given in (("engines", engines), ("compile", compile)):
        if isinstance(given, str):
            raise UsageError(f"{what} must be a list, not the text {given!r}: give [{given!r}]")
    if unknown := [compiler for compiler in compile if compiler not in COMPILERS]:
        raise UsageError(f"there is no compiler {unknown[0]!r}: choose from {', '.join(COMPILERS)}")
    named = list(map(os.fspath, engines)) or [REFERENCE]
    made = [f"{engine}+{compiler}" for compiler in compile for engine in named if not split(engine)[1]]
    return [*(engines or NAMES), *made] if made else engines


def request(
    kind: str,
    engines: Sequence[str],
    pythons: Sequence[str],
    env: Sequence[str],
    data: str,
    config: Config | None,
    plan: PlanRecord,
    options: Options,
    slowdowns: Mapping[str, float] | None = None,
) -> Request:
    """What to measure, for a run of this ``kind``. Raises UsageError for a text where a list is wanted."""
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
        command=options.get("command") or ["bench." + ("measure" if kind == "run" else kind)],
        switches=env,
        slowdowns=slowdowns or {},
        kind=kind,
    )
