"""The tables of other programs beside the engines."""

from __future__ import annotations

import dataclasses
import pathlib
import shlex
from collections.abc import Iterator, Sequence

import numpy as np

from bench.host.pages.wording import number, ratio_text
from bench.host.results.parity import parity_text
from bench.host.results.peers import (
    Peer,
    PeerRound,
    PeersRun,
    bad,
    check_rows,
    row,
    step_seconds,
    times_as_fast,
)
from bench.host.results.printed_losses import digits_of
from bench.host.results.records import REFERENCE
from bench.host.results.table import NOTHING, Table
from bench.host.stats.paired import typical

WAYS = "Programs are timed from outside, by when their lines arrive; start-up is the time before step 1."
HEADERS = ["program", "runtime", "time", "start-up", "timed by"]
UNCHECKED = "Nothing proves that these programs train the same model: they are timed, and compared with nothing."


@dataclasses.dataclass(frozen=True)
class Timed:
    """A row that has a time: an engine on a runtime, or a program. ``seconds``: rounds by steps, without the first step."""

    name: str
    runtime: str
    seconds: np.ndarray
    start_up: str
    way: str
    proof: str

    @property
    def mean(self) -> float:
        """Seconds a step."""
        return float(np.mean(self.seconds))

    @property
    def cells(self) -> list[str]:
        """Its cells under HEADERS."""
        return [self.name, self.runtime, number(self.mean * 1e3), self.start_up, self.way]


def tables(peers: PeersRun, base: str | None = None) -> list[Table]:
    """Programs and engines, fastest first, and beside them the programs that are not checked.

    Raises UsageError for a base that is no row with a proof.
    """
    run, record, below = peers.run, peers.record, list[str]()
    timed, base = ranked(peers, base, below)
    measured = [
        [
            *row.cells,
            "1" if row.name == base else ratio_text(times_as_fast(timed[base].seconds, row.seconds)),
            row.proof,
        ]
        for row in timed.values()
    ]
    failed = [
        [peer.name, peer.command[0], NOTHING, NOTHING, NOTHING, NOTHING, _word(trouble)]
        for peer in record.peers
        if peer.proof != "none" and (trouble := bad(record, peer.name)) is not None
    ]
    plan = run.record.plan
    checked = Table(
        "Ports and engines",
        [
            f"{run.record.workload.data}; {plan.steps} steps, {len(record.rounds)} rounds; {run.record.machine['cpu']}; {run.record.created}",
            "time: seconds for 1,000 steps, from the mean wall time of all steps but the first.",
        ],
        [*HEADERS, f"speedup over {base}", "proof"],
        measured + failed,
        [*below, WAYS],
    )
    unchecked = [peer for peer in record.peers if peer.proof == "none"]
    return [checked, _unchecked(peers, unchecked)] if unchecked else [checked]


def ranked(peers: PeersRun, base: str | None, below: list[str]) -> tuple[dict[str, Timed], str]:
    """The rows with a proof by name, fastest first, and the one that speedups are relative to; lines about them in ``below``.

    Raises UsageError for a base that is no such row.
    """
    run, record = peers.run, peers.record
    check_rows(run.cells, record.peers, base)
    if record.oracle:
        below.append(
            f"{record.oracle.row} stands in for the reference: {record.oracle.proof} of this run, on each runtime."
        )
    rows = [*_engines(peers, below), *_programs(peers, [peer for peer in record.peers if peer.proof != "none"], below)]
    timed = {row.name: row for row in sorted(rows, key=lambda row: row.mean)}
    if base is not None and base not in timed:
        below.append(f"{base} has no time to compare with: speedups are relative to another row.")
        base = None
    if base is not None:
        return timed, base
    stands = record.oracle.row if record.oracle else REFERENCE
    first = next(
        (row.name for row in rows if row.name.partition(" on ")[0] == stands), rows[0].name if rows else NOTHING
    )

    return timed, first


def _unchecked(peers: PeersRun, unchecked: Sequence[Peer]) -> Table:
    below: list[str] = []
    timed = sorted(_programs(peers, unchecked, below), key=lambda row: row.mean)
    failed = [
        [peer.name, peer.command[0], NOTHING, NOTHING, _word(trouble)]
        for peer in unchecked
        if (trouble := bad(peers.record, peer.name)) is not None
    ]
    return Table("Not checked", [UNCHECKED], HEADERS, [*(row.cells for row in timed), *failed], below)


def _engines(peers: PeersRun, below: list[str]) -> Iterator[Timed]:
    """The run's cells; a line in ``below`` for each that did not do well."""
    run, oracle = peers.run, peers.record.oracle
    several = len(run.record.runtimes) > 1
    for cell in run.cells:
        name, (status, reason), finding = row(cell, several), run.status(cell), run.finding(cell)
        if status == "ok" and finding is not None:
            proof = oracle.proof if oracle and cell[0] == oracle.row else parity_text(finding)
            yield Timed(name, cell[1], peers.rows[name], NOTHING, "its own clock", proof)
        elif status != "skipped":
            below.append(f"{name} {status}: {reason}")


def _programs(peers: PeersRun, wanted: Sequence[Peer], below: list[str]) -> Iterator[Timed]:
    """The programs; a line in ``below`` for each that did not do well, or whose time is of another kind."""
    record, steps = peers.record, peers.run.record.plan.steps
    for peer in wanted:
        trouble, seconds = bad(record, peer.name), step_seconds(record, peer.name, steps)
        if trouble is not None:
            below.append(f"{peer.name} {_word(trouble)}: {trouble.reason}")
        elif seconds is not None:
            entries = [entry[peer.name] for entry in record.rounds if peer.name in entry]
            if peer.two_counts:
                few = entries[0].short_steps or 0
                begin = float(np.median([(entry.short_ended or 0) - few * typical(seconds) for entry in entries]))
                start_up, way = f"{max(0.0, begin):.2f}", f"{few} and {steps} steps"
                below.append(
                    f"{peer.name} ran with {few} and with {steps} steps: its time is the difference, without start-up."
                )
            elif seconds.shape[1] == 1:
                start_up, way = "in time", "whole run"
                below.append(
                    f"{peer.name} {_held(entries, steps)}: its time is that of all steps, start-up included (two_counts = true leaves it out)."
                )
            else:
                begin = float(np.median([entry.arrived[0] for entry in entries])) - typical(seconds)
                start_up, way = f"{max(0.0, begin):.2f}", "lines"
            program = pathlib.Path(shlex.split(peer.command[0])[0]).name if peer.shell else peer.command[0]
            yield Timed(peer.name, program, seconds, start_up, way, _proof(peer, entries))


def _held(entries: Sequence[PeerRound], steps: int) -> str:
    """In words, why a program's lines do not time its steps."""
    few = any(len(entry.losses) < steps for entry in entries)
    return (
        "does not print a loss at each step" if few else "buffers its output, or its steps are too short to tell apart"
    )


def _proof(peer: Peer, entries: Sequence[PeerRound]) -> str:
    """In words, what shows that it trains the same model."""
    losses, shown = entries[0].losses, []
    if losses:
        digits, fewer = digits_of(losses)
        shown.append(f"{len(losses)} losses agree to {digits} digits{f', {fewer} of them to fewer' * (fewer > 0)}")
    off = [entry.weights_off for entry in entries if entry.weights_off is not None]
    if off:
        shown.append(f"final weights within {max(off):.0e}" if max(off) else "final weights with the same bits")
    return "same start given: " * peer.given_start + ", ".join(shown)


def _word(trouble: PeerRound) -> str:
    return "DIVERGED" if trouble.status == "diverged" else trouble.status
