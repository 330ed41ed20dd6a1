"""A whole check: what each engine is held against, the rounds until every one has a verdict, and what came out."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence

from bench.host.gate import baseline as baselines
from bench.host.gate import decide, instructions, outcome, workflow
from bench.host.gate.decide import ComparedPair, Judgement
from bench.host.gate.pooled import decide_on_pool
from bench.host.measure import pooled
from bench.host.measure.pool import Pool
from bench.host.measure.prepare import Request
from bench.host.measure.session import Session
from bench.host.results import calibration, kinds, store
from bench.host.results.machines import of_round
from bench.host.results.run import Run
from bench.host.results.verdicts import Outcome, Row, Rules
from bench.host.system import interpreters
from bench.host.system.errors import UsageError
from bench.host.system.progress import Progress, count


@dataclasses.dataclass(frozen=True)
class Baseline:
    """What each engine is held against: itself at a ``revision``, itself on another ``python``, or an earlier ``run``.

    One of the three. ``chosen``: somebody named it; the committed run otherwise.
    """

    revision: str | None = None
    python: str | None = None
    run: Run | None = None
    chosen: bool = True

    @property
    def way(self) -> str:
        """As `holds.choose` has it."""
        return "python" if self.python is not None else "run" if self.run is not None else "revision"

    @property
    def threshold(self) -> float:
        """Share of a step's time that may be added unless another one is asked for."""
        return 0.01 if self.run is None else 0.1 if self.chosen else 0.25


def baseline(
    revision: str | None, python: str | None, run: pathlib.Path | None, folder: pathlib.Path, engines: Sequence[str]
) -> Baseline:
    """What was asked for, or what a workflow says of these ``engines``, or the committed run. Raises UsageError."""
    if sum(way is not None for way in (revision, python, run)) > 1:
        raise UsageError("--against, --against-python and --baseline each name what to compare with: give only one")
    if revision is None and python is None and run is None:
        revision = workflow.base(engines)
    if python is not None or revision is not None:
        return Baseline(revision, python)
    if run is None and not interpreters.CHECKOUT:
        raise UsageError(
            "an installed microgpt-bench has no committed run to compare with: give --baseline RUN, --against-python VERSION,"
            " or --against REVISION with engine files of a git repository"
        )
    return Baseline(
        run=store.load(baselines.CLAIMS if run is None else kinds.find(run, folder)), chosen=run is not None
    )


@dataclasses.dataclass(frozen=True)
class _Holding:
    """``pairs`` are measured; ``unmatched`` are rows of cells without a baseline; ``against`` names the baseline."""

    pairs: list[ComparedPair]
    unmatched: list[Row]
    against: str
    notes: list[str]


def run(
    session: Session,
    request: Request,
    base: Baseline,
    rules: Rules,
    folder: pathlib.Path,
    notes: Sequence[str] = (),
    cluster: str | None = None,
    wait: float = 60.0,
) -> Outcome:
    """Check the engines of a request, into a new run ``folder`` of this results folder; ``notes`` are shown last.

    ``cluster``: a pool measures, those of its machines that are of one kind. Raises UsageError, WorkloadError, EngineError,
    Interrupted.
    """
    pythons = list(request.pythons) or [interpreters.newest()]
    pythons += [] if base.python is None else [base.python]
    request = dataclasses.replace(request, pythons=pythons, against=base.revision)
    if base.run is not None and (at := base.run.record.plan.at) is not None:
        past = base.run.record.plan
        request = dataclasses.replace(request, spread=at, lead_in=past.lead_in, aged=past.aged)
    if cluster is None:
        session.prepare(request)
        return _checked(session, request, base, rules, folder, notes, None)
    with pooled.joined(request, cluster, wait, alike=True) as (pool, request):
        session.prepare(request)
        theirs = None if base.run is None else base.run.record.machine["identity"]
        others = [one for one in pool.machines.values() if one.identity != theirs] or list(pool.machines.values())
        session.record = dataclasses.replace(session.record, machine=others[0].about["machine"])
        return _checked(session, request, base, rules, folder, notes, pool)


def _checked(
    session: Session,
    request: Request,
    base: Baseline,
    rules: Rules,
    folder: pathlib.Path,
    notes: Sequence[str],
    pool: Pool | None,
) -> Outcome:
    holding = _hold(session, request, base, rules)
    about = None if pool is None else session.record.machine
    measured = session.create(folder, calibration.note(folder.parent, about))
    kept = f"rounds are kept in {measured.folder}"
    pairs, against, unit = holding.pairs, holding.against, "orders" if pool is None else "rounds"
    with session.measuring(
        None, lambda: f"interrupted, so no verdict; {len(measured.rounds)} {kept}", unit
    ) as progress:
        cells = (
            f"{count(len(pairs), 'cell')} against {against}"
            if pairs
            else f"{count(len(holding.unmatched), 'cell')}, new"
        )
        progress.say(f"{cells}, into {measured.folder}")
        counts = rules.instructions and base.way == "revision"
        judgements, not_counted = _judge(session, holding, rules, counts, progress, pool)
    held_too = outcome.held_too(judgements, measured, rules.quantities, rules.gate, base.run)
    rows = [*outcome.rows(judgements, measured, against, held_too), *outcome.new_rows(holding.unmatched, measured)]
    rows += outcome.held_rows(held_too, against)
    machines = [] if pool is None else [*session.missing, machines_line(measured)]
    shown = [line for line in (*machines, *holding.notes, *session.record.notes, *notes, *not_counted) if line]
    return Outcome(measured, rows, against, rules, shown)


def machines_line(run: Run) -> str:
    """Which machines of a pool measured how many rounds."""
    said = [
        f"{machine}: {of_round(one, one.rounds[0])['cpu']}, {count(len(one.rounds), 'round')}"
        for machine, one in run.machines.items()
        if one.rounds
    ]
    return f"measured by {'; '.join(said)}" if said else ""


def _hold(session: Session, request: Request, base: Baseline, rules: Rules) -> _Holding:
    """What is held against what. Raises UsageError where the two cannot be compared."""
    plan, unmatched, notes = session.plan, list[Row](), list[str]()
    if base.python is not None:
        against = plan.runtimes[-1].name
        pairs = baselines.against_python(plan, against)
    elif plan.before is not None:
        against, notes = plan.before.label, list(plan.before.notes)
        pairs, unmatched = baselines.against_revision(plan, plan.before)
    else:
        assert base.run is not None
        against = base.run.folder.name
        pairs, unmatched, notes = baselines.against_run(
            plan, session.record, base.run, rules.anyway or not base.chosen, all_builtin=not request.engine_names
        )
    return _Holding(baselines.asked_for(pairs, request.engine_names), unmatched, against, notes)


def _judge(
    session: Session, holding: _Holding, rules: Rules, counts: bool, progress: Progress, pool: Pool | None
) -> tuple[list[Judgement], list[str]]:
    """A judgement for each cell, with its instructions where ``counts``; and lines about those that were not counted."""
    plan, run, pairs, notes = session.plan, session.run, holding.pairs, list[str]()
    if pool is not None and counts:  # on this machine, so with its own Pythons
        plan, notes = instructions.with_own_runtimes(plan)
        counts = not notes
    new = [(row.engine, row.runtime) for row in holding.unmatched if row.word == "NEW"]
    reserve = instructions.COUNT_SHARE if counts and instructions.to_count(plan, pairs) else 0.0
    timed = dataclasses.replace(session.plan, deadline=plan.deadline.keeping(reserve))
    decision = decide.Decision(timed, run, pairs, rules.gate, new, rules.quantities)
    if pool is None:
        judgements = decide.decide(decision, progress)
    else:
        judgements = decide_on_pool(session, pool, decision, progress)
    if not counts:
        return judgements, notes
    return instructions.count_instructions(plan, run, judgements, progress)
