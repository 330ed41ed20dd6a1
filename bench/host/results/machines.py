"""A run by machine: whose rounds are whose, and the ratios within each machine before they are put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from bench.host.stats.across_machines import across
from bench.host.stats.paired import Estimate, Ratio

if TYPE_CHECKING:
    from bench.host.results.records import RoundRecord
    from bench.host.results.run import Run

Description = Mapping[str, str | int | float]


def of_round(run: Run, entry: RoundRecord) -> Description:
    """The machine that measured a round: the run's, unless the round names another."""
    return entry.machine or run.record.machine


def split(run: Run) -> dict[str, Run]:
    """The rounds of each machine as a run, by "machine 1" and so on in the order of their first rounds; of one, the run itself."""
    rounds: dict[str, list[RoundRecord]] = {}
    for entry in run.rounds:
        rounds.setdefault(str(of_round(run, entry)["identity"]), []).append(entry)
    if len(rounds) < 2:
        return {"machine 1": run}
    return {f"machine {number}": run.part(entries) for number, entries in enumerate(rounds.values(), 1)}


def estimates(run: Run, ask: Callable[[Run], Estimate | None]) -> dict[str, Estimate]:
    """What each machine says, of those that can."""
    asked = ((machine, ask(one)) for machine, one in run.machines.items())
    return {machine: said for machine, said in asked if said is not None}


def ratio(said: Mapping[str, Estimate]) -> Ratio | None:
    """Of what machines say: one's own ratio with its interval, that of several across them, None of none."""
    if len(said) > 1:
        return across(said).ratio
    return next((each.ratio(0.95) for each in said.values()), None)


def step_rows(run: Run) -> list[dict[str, Any]]:
    """`Run.steps`; of several machines each row says whose it is."""
    names = {str(of_round(one, one.rounds[0])["identity"]): name for name, one in run.machines.items() if one.rounds}
    return [
        {
            "engine": engine,
            "runtime": runtime,
            "round": entry.number,
            "step": run.record.plan.numbers[turn],
            "loss": float.fromhex(loss),
            "seconds": record.nanoseconds[turn] * 1e-9,
            "cpu_seconds": record.cpu_nanoseconds[turn] * 1e-9 if record.cpu_nanoseconds else None,
            "status": record.status,
            **({"machine": names[str(of_round(run, entry)["identity"])]} if len(names) > 1 else {}),
        }
        for entry in run.rounds
        for engine, runtime in run.cells
        if (record := entry.cells.get(f"{engine}@{runtime}")) is not None
        for turn, loss in enumerate(record.losses[: len(record.nanoseconds)])
    ]
