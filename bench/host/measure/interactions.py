"""Combinations of switches: all are counted, and a balanced fraction of them is timed in lockstep.

What is timed: each switch alone, the rungs of the best and the worst order by instructions, the combinations of fewest
instructions, and for the rest those that tell the effects apart best (`bench.host.stats.factorial`).
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np

from bench.host.measure import engine_family, finding, forked_counts, lockstep, sources
from bench.host.measure.prepare import Request
from bench.host.measure.session import Session
from bench.host.results import store, switches
from bench.host.results.interactions import FILE, Interactions, InteractionsRecord, ladder
from bench.host.results.records import LEAD_IN
from bench.host.results.switches import SWITCHES, Combination
from bench.host.stats import factorial
from bench.host.system import datasets
from bench.host.system.deadline import Deadline
from bench.host.system.errors import UsageError
from bench.host.system.progress import count
from bench.workload.data import read_documents

TOP = 10  # combinations of fewest instructions that are timed
LEAST = 14  # combinations, more than coefficients of the model
BESIDE = "combined"  # the engine that they are held against


def run(
    session: Session, request: Request, names: Sequence[str], timed: int, counting: float, folder: pathlib.Path
) -> Interactions:
    """All combinations of the switches of these names, into a new run's ``folder``. Raises UsageError, Interrupted.

    ``timed``: so many of them in lockstep; ``counting``: seconds for the counts.
    """
    runtimes = finding.find_runtimes(request.pythons, request.switches)[0]
    if len(runtimes) > 1:
        raise UsageError("interactions measures one runtime: give one --python and no --env")
    combinations = switches.combinations(names)
    if folder.exists():
        raise UsageError(f"{folder} exists already: give another --name")
    workspace = session.folder / "counts"
    workspace.mkdir()
    sources.copy_source(workspace)
    documents = read_documents(datasets.locate(request.data))[: forked_counts.DOCUMENTS]
    kept = "interrupted: what was counted is kept, and the same command goes on with it"
    with session.measuring(None, lambda: kept) as progress:
        record = forked_counts.count(
            runtimes[0], combinations, request.config, documents, workspace, progress, Deadline(counting)
        )
    chosen = choose(record, names, timed)
    record = dataclasses.replace(record, design=[switches.name(one) for one in chosen])
    files = engine_family.write(chosen, session.folder / "engines")
    names_of_engines = [*map(str, files), BESIDE]
    session.prepare(dataclasses.replace(request, engine_names=names_of_engines, spread=True, lead_in=LEAD_IN))
    engines = {
        row: one if one.path is None else dataclasses.replace(one, path=f"engines/{pathlib.Path(one.path).name}")
        for row, one in session.record.engines.items()
    }
    session.record = dataclasses.replace(session.record, engines=engines)
    created = session.create(folder)
    engine_family.write(chosen, created.folder / "engines")
    store.write_json(created.folder / FILE, record, indent=None)
    plan = session.plan
    kept = f"interrupted: the finished rounds are kept in {created.folder}"
    with session.measuring(plan.orders(0), lambda: kept, deadline=plan.deadline) as progress:
        progress.say(f"{count(len(plan.engines), 'engine')} on {record.runtime}, into {created.folder}")
        lockstep.measure(plan, created, progress, nodes=False)  # they are counted already
    return Interactions(created, record)


def check_switches(names: Sequence[str]) -> list[str]:
    """These switches in their order, all for none. Raises UsageError for one that there is not, and for too few."""
    if isinstance(names, str):
        raise UsageError(f"switches must be a list, not the text {names!r}: give [{names!r}]")
    for name in names:
        if name not in SWITCHES:
            raise UsageError(f"no switch {name!r}: choose from {', '.join(SWITCHES)}")
    chosen = [name for name in SWITCHES if name in (names or SWITCHES)]
    if len(switches.combinations(chosen)) < LEAST:
        raise UsageError(
            f"{', '.join(chosen)} make too few combinations to fit effects to: give at least four switches"
        )
    return chosen


def check_number(names: Sequence[str], timed: int | None) -> int:
    """How many combinations to time. Raises UsageError where so many are too few, or more than there are."""
    least, most = 2 + len(names) + len(switches.pairs(names)), len(switches.combinations(names)) - 1
    number = min(most, least * 3 // 2) if timed is None else timed
    if not least <= number <= most:
        raise UsageError(
            f"--timed {number} is not possible: {len(names)} switches have {most} combinations, and need {least} to tell effects apart"
        )
    return number


def choose(record: InteractionsRecord, names: Sequence[str], timed: int) -> list[Combination]:
    """Which combinations to time; the reference stands for that of no switch. Raises UsageError."""
    costs = record.costs
    wrong = {*record.failed, *(name for name in record.engines if switches.parse(name) not in costs)}
    candidates = [one for one in switches.combinations(names) if one and switches.name(one) not in wrong]
    by_cost = sorted(filter(None, costs), key=lambda one: costs[one])
    for_themselves = [
        *((name,) for name in names),
        *ladder(costs),
        *ladder(costs, best=False),
        *by_cost[:TOP],
    ]
    fixed = list(dict.fromkeys(one for one in for_themselves if one in candidates))[: max(0, timed - 1)]
    order = [name for name in SWITCHES if name in names]
    rows = np.array([[float(name in one) for name in order] for one in candidates])
    pairs = [(order.index(one), order.index(other)) for one, other in switches.pairs(order)]
    try:
        indices = factorial.design(rows, pairs, min(timed, len(candidates)), [candidates.index(one) for one in fixed])
    except ValueError as error:
        raise UsageError(f"these counts do not make a design: {error}") from None
    return [candidates[index] for index in indices]
