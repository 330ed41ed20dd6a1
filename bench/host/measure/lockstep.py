"""A whole run in lockstep: every cell does step k before any cell does step k + 1, round after round."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

from bench.host.measure.plan import Plan
from bench.host.measure.prepare import Request
from bench.host.measure.rounds import Rounds
from bench.host.measure.session import Session
from bench.host.results import calibration
from bench.host.results.precision import narrow, precision
from bench.host.results.pyperf_format import export_pyperf
from bench.host.results.records import SAMPLES
from bench.host.results.run import Run
from bench.host.system.progress import Progress, count


def run(session: Session, request: Request, folder: pathlib.Path, notes: Sequence[str] = ()) -> Run:
    """A new run in ``folder``, measured. Raises UsageError, WorkloadError, EngineError, Interrupted."""
    session.prepare(request)
    session.create(folder, [*calibration.note(folder.parent), *notes])
    return _measure(session)


def resume(session: Session, folder: pathlib.Path) -> Run:
    """Go on with the run in ``folder``. Raises UsageError where what it measures has changed since, Interrupted."""
    session.lock(folder)
    session.resume(folder)
    return _measure(session)


def _measure(session: Session) -> Run:
    plan, run = session.plan, session.run
    with session.measuring(plan.orders(len(run.rounds)), lambda: _kept(run), deadline=plan.deadline) as progress:
        progress.say(f"{count(len(plan.engines), 'engine')} on {', '.join(run.record.runtimes)}, into {run.folder}")
        measure(plan, run, progress)
    return run


def _kept(run: Run) -> str:
    """What an interrupt leaves."""
    return f"interrupted: {_rounds(run)} are kept; go on with: microgpt-bench run --resume {run.folder}"


def _rounds(run: Run) -> str:
    """How many are done, and of how many: of a run that ends where its intervals are narrow the fewest, until it has them."""
    done, of = len(run.rounds), run.record.plan.fewest or run.record.plan.rounds
    return f"{done} of {of} rounds" if done < of else count(done, "round")


def measure(plan: Plan, run: Run, progress: Progress, nodes: bool = True) -> None:
    """Add rounds to ``run``, saving each, until the plan's rounds are done, or enough, or its budget is used up.

    ``nodes``: whether the first round counts graph nodes.
    """
    rounds = Rounds(plan, run, progress)
    while (done := len(run.rounds)) < plan.settings.rounds:
        if narrow(run):
            progress.say(f"stopped after {_rounds(run)}: the intervals are narrow, {precision(run)}")
            break
        if not rounds.time_left:
            progress.say(f"stopped after {_rounds(run)}: the next would pass the budget of {plan.deadline}")
            break
        # a cell that failed or diverged once is not worth another round's waiting
        cells = [cell for cell in plan.cells if run.ok(cell) or not done]
        first = not done
        if rounds.add(cells, first_look=first, samples=SAMPLES * first, nodes=first and nodes) is None:
            progress.say(f"the budget of {plan.deadline} was used up in round {done + 1}, which is left out")
            break
        export_pyperf(run)
    else:
        if plan.settings.fewest is not None and not narrow(run):
            progress.say(f"{_rounds(run)}, the most without --rounds, leave the intervals wide, {precision(run)}")
