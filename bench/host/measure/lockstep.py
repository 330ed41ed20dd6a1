"""Lockstep measuring: every cell does step k before any cell does step k + 1, round after round.

A round starts a fresh worker process per cell (`bench.host.measure.round`); each is saved as soon as it is done.
"""

from __future__ import annotations

import dataclasses

from bench.host.measure.answers import one_line
from bench.host.measure.plan import Plan
from bench.host.measure.round import Round
from bench.host.results import store
from bench.host.results.pyperf_format import export_pyperf
from bench.host.results.records import SAMPLES, RoundRecord
from bench.host.results.run import Run
from bench.host.system.deadline import Deadline, OutOfTime
from bench.host.system.progress import Progress


def measure(plan: Plan, run: Run, progress: Progress) -> None:
    """Add rounds to ``run``, saving each, until the plan's rounds are done or its budget is used up."""
    # of a run that is resumed, the first round's record has samples and nodes in its time
    longest = max((entry.seconds for entry in run.rounds[1:] or run.rounds), default=0.0)
    for number in range(len(run.rounds) + 1, plan.record.rounds + 1):
        if number > 1 and plan.deadline.left < longest:
            progress.say(
                f"stopped after {number - 1} of {plan.record.rounds} rounds: the next would pass the budget of {plan.deadline}"
            )
            break
        # a cell that failed or diverged once is not worth another round's waiting
        cells = [cell for cell in plan.cells if run.ok(cell) or not run.rounds]
        once = number == 1
        current = Round(plan, number, cells, progress, introduce=once, samples=SAMPLES * once, nodes=once)
        try:
            entry = current.run()
        except OutOfTime:
            progress.say(f"the budget of {plan.deadline} ended in round {number}, which is left out")
            break
        say_if_over(plan.deadline, number, progress)
        longest = max(longest, entry.seconds - current.once_seconds)
        add(run, current, entry)
        export_pyperf(run)


def say_if_over(deadline: Deadline, number: int, progress: Progress) -> None:
    """A line where the first round, which is always done in full, took longer than all was to take."""
    if number == 1 and deadline.over:
        progress.say(f"{deadline} were too short for the first round, which is done in full: {deadline.spent:.0f} s")


def add(run: Run, current: Round, entry: RoundRecord) -> None:
    """Save a finished round, with what its workers said of their engines."""
    _describe_engines(run, current)
    store.add_round(run, entry)


def _describe_engines(run: Run, current: Round) -> None:
    """Fill in what only a worker can say of its engine: what the engine file says of itself."""
    known = dict(run.record.engines)
    for (engine, _), state in current.states.items():
        said = state.started.get("engine")
        if said and not known[engine].summary:
            known[engine] = dataclasses.replace(
                known[engine],
                summary=one_line(said["summary"]),
                parent=said["parent"] and one_line(said["parent"], 60),
                change=one_line(said["change"]),
                parity=said["parity"],
                collector=said.get("collector", "on"),
            )
    if known != run.record.engines:
        store.update(run, dataclasses.replace(run.record, engines=known))
