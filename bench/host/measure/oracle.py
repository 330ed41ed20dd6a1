"""An engine that stands in for the reference: proven by it once, so that the slow reference need not run in every round.

The proof is a round of its own over the first few steps, on every runtime: gradients, losses and weights must have the
reference's bits there. From then on the others are held against the oracle.
"""

from __future__ import annotations

import dataclasses

from bench.host.measure import engine_files
from bench.host.measure.plan import Plan
from bench.host.measure.round import Round
from bench.host.measure.session import Session
from bench.host.results.parity import Agreement
from bench.host.results.peers import Oracle
from bench.host.results.records import REFERENCE
from bench.host.system.errors import UsageError
from bench.host.system.progress import Progress, count

STEPS = 10  # of the training run, over which the reference proves it


def row_of(oracle: str, *others: str) -> str:
    """The row that the engine has beside the others. Raises EngineError, and UsageError where the reference is named."""
    if oracle == REFERENCE:
        raise UsageError("--oracle reference: the reference needs none to stand in for it: leave --oracle out")
    if REFERENCE in others:
        raise UsageError(f"{oracle} stands in for the reference: leave --engine reference or --oracle out")
    return next(iter(engine_files.rows([oracle, *others])))


def stand_in(session: Session, row: str) -> Oracle:
    """Prove the engine of a row, and take the reference out of the session's plan for it.

    Raises UsageError where it promises less than the same bits, or has others.
    """
    plan = session.plan
    steps = min(STEPS, plan.settings.steps)
    with session.measuring(None, lambda: "") as progress:
        progress.say(f"{row} stands in for the reference, which proves it over {count(steps, 'step')} first")
        _prove(plan, row, steps, progress)
    session.missing = ()  # said already
    others = {
        name: dataclasses.replace(subject, reference=row) for name, subject in plan.engines.items() if name != REFERENCE
    }
    session.plan = dataclasses.replace(plan, engines=others)
    session.record = dataclasses.replace(
        session.record, engines={name: session.record.engines[name] for name in others}
    )
    return Oracle(row, steps)


def _prove(plan: Plan, row: str, steps: int, progress: Progress) -> None:
    engines = {name: plan.engines[name] for name in (REFERENCE, row)}
    few = dataclasses.replace(plan, engines=engines, settings=dataclasses.replace(plan.settings, steps=steps))
    proof = Round(few, 1, few.cells, progress)
    proof.run()
    for runtime in plan.runtimes:
        reference, cell = (proof.states[name, runtime.name] for name in (REFERENCE, row))
        promised = cell.started["engine"]["parity"] if cell.started else Agreement.BIT_IDENTICAL
        if promised != Agreement.BIT_IDENTICAL:
            raise UsageError(
                f"{row} cannot stand in for the reference: it promises {promised!r:.30}, not {str(Agreement.BIT_IDENTICAL)!r}:"
                " choose an engine with the reference's bits, such as compiled or native"
            )
        if reference.status != "ok":
            raise UsageError(
                f"{row} is not proven: the reference on {runtime.name} {reference.status}: {reference.reason}"
            )
        wrong = next((str(each) for each in cell.findings if each.parity is not Agreement.BIT_IDENTICAL), "")
        if cell.status != "ok" or wrong:
            found = wrong or f"{cell.status}: {cell.reason}"
            raise UsageError(
                f"{row} cannot stand in for the reference: over {count(steps, 'step')} on {runtime.name} it is {found}"
            )
