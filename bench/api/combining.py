"""What pays together, as functions: ``bench.interactions`` and its page."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import Unpack

from bench.api import RESULTS, Path
from bench.api.requests import Options, plan_record, request
from bench.host.measure import interactions as combining
from bench.host.measure.session import Session, now
from bench.host.pages import history_chart, interactions_chart, rendering
from bench.host.pages import interactions as interactions_page_of
from bench.host.results import interactions as interactions_file
from bench.host.results import kinds, store
from bench.host.results.interaction_effects import Effects
from bench.host.results.interactions import Interactions
from bench.host.system import interpreters
from bench.host.system.errors import UsageError
from bench.workload.config import Config
from bench.workload.data import DEFAULT


def interactions(
    switches: Sequence[str] = (),
    pythons: Sequence[str] = (),
    *,
    timed: int | None = None,
    counting: float = 3600.0,
    env: Sequence[str] = (),
    data: str = DEFAULT,
    config: Config | None = None,
    steps: int = 6,
    rounds: int = 3,
    budget: float = 10800.0,
    results: Path = RESULTS,
    name: str | None = None,
    **options: Unpack[Options],
) -> Interactions:
    """Count all combinations of changes to the reference, and time some, as ``microgpt-bench interactions`` does, on one Python.

    ``switches``: those of `bench.host.results.switches`, all for none. ``timed``: how many combinations to time, half as many
    again as the model of the effects needs for None. ``counting``: seconds for the counts, which are kept in the user's cache:
    what they leave, or an interrupt, is counted by the next such command.
    """
    store.check_name(name)
    chosen = combining.check_switches(switches)
    number = combining.check_number(chosen, timed)
    plan = plan_record(steps, rounds, budget, options)
    wanted = request("interactions", [], pythons or [interpreters.newest()], env, data, config, plan, options)
    folder = pathlib.Path(results) / (name or f"interactions-{now()}")
    with Session() as session:
        found = combining.run(session, wanted, chosen, number, counting, folder)
    rendering.keep(found.run.folder, rendering.render_tables(interactions_page_of.shown_tables(found), "github"))
    return found


def load_interactions(run: Path = "latest", *, results: Path = RESULTS) -> Interactions:
    """What `bench.interactions` made, from disk."""
    return interactions_file.load(kinds.find(pathlib.Path(run), pathlib.Path(results), ["interactions"]))


def interactions_page(*runs: Interactions | Path, picture: str | None = None, results: Path = RESULTS) -> str:
    """The page of runs of `bench.interactions`, one for each Python, in Markdown. Raises UsageError, also for no run.

    ``picture``: the address of what `plot_interactions` drew, for the page to show.
    """
    if not runs:
        raise UsageError("no run to make a page of: give one or more")
    found = [run if isinstance(run, Interactions) else load_interactions(run, results=results) for run in runs]
    return interactions_page_of.page(found, picture)


def check_plot(path: pathlib.Path | None) -> None:
    """Raises UsageError for a file that is none of the kinds that can be drawn."""
    if path is not None:
        history_chart.check_plot(path)


def plot_interactions(runs: Sequence[Interactions], path: pathlib.Path) -> None:
    """Draw what two switches bring together, a panel for each run: .svg, .png or .html."""
    history_chart.draw(interactions_chart.spec([Effects(run) for run in runs]), path)
