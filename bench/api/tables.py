"""Results as text: ``bench.render``."""

from __future__ import annotations

import json
from typing import Literal

from bench.api.results import History, Profile, WarmUps
from bench.host.pages import (
    bisection,
    calibration,
    comparison,
    counter_tables,
    interactions,
    ladder,
    peers,
    profiles,
    rendering,
    run_tables,
    scaling,
    threads,
)
from bench.host.pages import verdicts as gate
from bench.host.pages import warm_up as warming
from bench.host.results import peers as peers_file
from bench.host.results import scaling as scaling_file
from bench.host.results import threads as threads_file
from bench.host.results.bisection import Bisection
from bench.host.results.calibration import Calibration
from bench.host.results.comparison import Comparison
from bench.host.results.interactions import Interactions
from bench.host.results.ladder import Ladder
from bench.host.results.peers import PeersRun
from bench.host.results.run import Run
from bench.host.results.scaling import Scaling
from bench.host.results.table import Table
from bench.host.results.threads import Threads
from bench.host.results.verdicts import Outcome, to_json
from bench.host.system.errors import UsageError


def render(
    result: object,
    style: str = "plain",
    base: str | None = None,
    only: Literal["headline", "counters"] | None = None,
    over: str | None = None,
) -> str:
    """The tables of what any function of the library returned, as text: "plain", "github", "html" or "json".

    ``base``: the runtime of a run that the others are compared with, or the row of a run of peers. ``only``, of a run: the
    speedups, or the counters. ``over``, of a run: what speedups on a runtime are relative to in place of the reference: an
    engine, "parent" for each engine's own, or the row "ENGINE on RUNTIME". A check's outcome has the style "junit", too, for CI servers.

    Raises UsageError for what has no tables, and for a style, runtime or row that there is not.
    """
    if isinstance(result, Outcome) and style == "junit":
        return gate.junit(result)
    if style not in rendering.FORMATS:
        raise UsageError(f"no style {style!r}: choose from {', '.join(rendering.FORMATS)}")
    if over is not None and not isinstance(result, Run):
        raise UsageError(f"over is for the tables of a run: this is a {type(result).__name__}, whose base it has")
    match result:
        case Run() if only == "counters":
            return counter_tables.render(result, style, over)
        case Run() if only == "headline":
            return rendering.render_table(run_tables.headline(result, over), style)
        case Run():
            return run_tables.render(result, style, base, over)
        # for programs, some have more than their table
        case Outcome() if style == "json":
            return to_json(result, gate.table(result))
        case Scaling() if style == "json":
            return scaling_file.to_json(result)
        case Threads() if style == "json":
            return threads_file.to_json(result)
        case PeersRun() if style == "json":
            return peers_file.to_json(result)
        case Profile() if style == "json":
            return json.dumps(result.shares, indent=1)
        case Scaling():
            return rendering.render_tables(scaling.tables(result), style)
        case Threads():
            return rendering.render_tables(threads.tables(result), style)
        case PeersRun():
            return rendering.render_tables(peers.tables(result, base), style)
        case Interactions():
            return rendering.render_tables(interactions.shown_tables(result), style)
        case WarmUps():
            return rendering.render_tables(warming.tables(result.run, result.cells), style)
        case list() | tuple():
            return rendering.render_tables([table for each in result for table in _tables(each, base)], style)
    return rendering.render_table(_table(result, base), style)


def _tables(result: object, base: str | None) -> list[Table]:
    return interactions.shown_tables(result) if isinstance(result, Interactions) else [_table(result, base)]


def _table(result: object, base: str | None) -> Table:
    match result:
        case Table():
            return result
        case Outcome():
            return gate.table(result)
        case Bisection():
            return bisection.table(result)
        case Comparison():
            return comparison.table(result)
        case Calibration():
            return calibration.table(result)
        case Ladder():
            return ladder.table(result)
        case History():
            return result.table
        case Profile():
            return profiles.table(f"{result.engine} on {result.runtime}", result.shares, result.graph)
    raise UsageError(
        f"cannot make a table of a {type(result).__name__}: give what measure, check, compare or another function returned"
    )
