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

WAYS = (
    "Programs are timed from outside, by when their lines arrive; start-up is the time before step 1. What a program or an engine"
    " waited for a processor does not count, where the system tells."
)
HEADERS = ["program", "runtime", "time", "start-up", "timed by"]
DIFFERENT = (
    "These programs are known not to train the same model, and how they differ stands beside their time: they are compared with"
    " nothing."
)
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
        [peer.name, _runtime(peer), NOTHING, NOTHING, NOTHING, NOTHING, _word(trouble)]
        for peer in record.peers
        if peer.proof == "losses" and (trouble := bad(record, peer.name)) is not None
    ]
    plan = run.record.plan
    checked = Table(
        "Ports and engines",
        [
            f"{run.record.workload.data}; {plan.steps} steps, {len(record.rounds)} rounds; {run.record.machine['cpu']}; {run.record.created}",
            "time: seconds for 1,000 steps, from the mean time of all steps but the first.",
        ],
        [*HEADERS, f"speedup over {base}", "proof"],
        measured + failed,
        [*below, WAYS],
    )
    return [table for table in (checked, _different(peers), _unchecked(peers)) if table.rows or table is checked]


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
    rows = [
        *_engines(peers, below),
        *_programs(peers, [peer for peer in record.peers if peer.proof == "losses"], below),
    ]
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


def _different(peers: PeersRun) -> Table:
    below: list[str] = []
    rows = [[*cells, row.proof if row else NOTHING] for cells, row in _unproven(peers, "differs", below)]
    return Table("Known to differ", [DIFFERENT], [*HEADERS, "how it differs"], rows, below)


def _unchecked(peers: PeersRun) -> Table:
    below: list[str] = []
    return Table("Not checked", [UNCHECKED], HEADERS, [cells for cells, _ in _unproven(peers, "none", below)], below)


def _unproven(peers: PeersRun, proof: str, below: list[str]) -> Iterator[tuple[list[str], Timed | None]]:
    """The cells of each program with this ``proof`` and its row, the fastest first, then those that did not do well."""
    wanted = [peer for peer in peers.record.peers if peer.proof == proof]
    for timed in sorted(_programs(peers, wanted, below), key=lambda timed: timed.mean):
        yield timed.cells, timed
    for peer in wanted:
        if (trouble := bad(peers.record, peer.name)) is not None:
            yield [peer.name, _runtime(peer), NOTHING, NOTHING, _word(trouble)], None


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
                few, most = entries[0].short_steps or 0, peer.long_steps or steps
                begin = float(np.median([(entry.short_ended or 0) - few * typical(seconds) for entry in entries]))
                start_up, way = f"{max(0.0, begin):.2f}", f"{few} and {most} steps"
                below.append(
                    f"{peer.name} ran with {few} and with {most} steps: its time is the difference, without start-up."
                )
            elif seconds.shape[1] == 1:
                start_up, way = "in time", "whole run"
                below.append(
                    f"{peer.name} {_held(entries, steps)}: its time is that of all steps, start-up included (two_counts = true leaves it out)."
                )
            else:
                begin = float(np.median([entry.arrived[0] for entry in entries])) - typical(seconds)
                start_up, way = f"{max(0.0, begin):.2f}", "lines"
            yield Timed(peer.name, _runtime(peer), seconds, start_up, way, _proof(peer, entries))


def _runtime(peer: Peer) -> str:
    """What runs a program, as its file says, or the program of its command."""
    program = pathlib.Path(shlex.split(peer.command[0])[0]).name if peer.shell else peer.command[0]
    return peer.runtime or program


def _held(entries: Sequence[PeerRound], steps: int) -> str:
    """In words, why a program's lines do not time its steps."""
    few = any(len(entry.losses) < steps for entry in entries)
    return (
        "does not print a loss at each step" if few else "buffers its output, or its steps are too short to tell apart"
    )


def _proof(peer: Peer, entries: Sequence[PeerRound]) -> str:
    """In words, what shows that it trains the same model, or that it does not."""
    if peer.proof == "differs":
        return entries[0].reason or "not at all: leave its proof out of the file"
    losses, shown = entries[0].losses, []
    if losses:
        digits, fewer = digits_of(losses)
        near = f", give or take {peer.loss_tolerance:g}" * (peer.loss_tolerance > 0)
        shown.append(
            f"{len(losses)} losses agree to {digits} digits{f', {fewer} of them to fewer' * (fewer > 0)}{near}"
        )
    off = [entry.weights_off for entry in entries if entry.weights_off is not None]
    if off:
        shown.append(f"final weights within {max(off):.0e}" if max(off) else "final weights with the same bits")
    return "same start given: " * peer.given_start + ", ".join(shown)


def _word(trouble: PeerRound) -> str:
    return "DIVERGED" if trouble.status == "diverged" else trouble.status
