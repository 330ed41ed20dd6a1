"""The table of other programs beside the engines."""

from __future__ import annotations

import dataclasses
import pathlib
import shlex
from collections.abc import Iterator

import numpy as np

from bench.host.pages.wording import number, ratio_text
from bench.host.results.parity import parity_text
from bench.host.results.peers import (
    PeerRound,
    PeersRecord,
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


@dataclasses.dataclass(frozen=True)
class Timed:
    """A row that has a time: an engine on a runtime, or a program. ``seconds``: rounds by steps, without the first step."""

    name: str
    runtime: str
    seconds: np.ndarray
    start_up: str
    parity: str

    @property
    def mean(self) -> float:
        """Seconds a step."""
        return float(np.mean(self.seconds))


def table(peers: PeersRun, base: str | None) -> Table:
    """The table of programs and engines, fastest first. Raises UsageError for a base that is no row."""
    run, record = peers.run, peers.record
    check_rows(run.cells, record.peers, base)
    below: list[str] = []
    if record.oracle:
        below.append(
            f"{record.oracle.row} stands in for the reference: {record.oracle.proof} of this run, on each runtime."
        )
    timed = {row.name: row for row in [*_engines(peers, below), *_programs(record, below)]}
    if base is not None and base not in timed:
        below.append(f"{base} has no time to compare with: speedups are relative to another row.")
        base = None
    stands = record.oracle.row if record.oracle else REFERENCE
    first = next((name for name in timed if name.partition(" on ")[0] == stands), next(iter(timed), NOTHING))
    base = base or first
    measured = [
        [
            row.name,
            row.runtime,
            number(row.mean * 1e3),
            row.start_up,
            "1" if row.name == base else ratio_text(times_as_fast(timed[base].seconds, row.seconds)),
            row.parity,
        ]
        for row in sorted(timed.values(), key=lambda row: row.mean)
    ]
    failed = [
        [peer.name, peer.command[0], NOTHING, NOTHING, NOTHING, _word(trouble)]
        for peer in record.peers
        if (trouble := bad(record, peer.name)) is not None
    ]
    plan = run.record.plan
    return Table(
        "Ports and engines",
        [
            f"{run.record.workload.data}; {plan.steps} steps, {len(record.rounds)} rounds; {run.record.machine['cpu']}; {run.record.created}",
            "time: seconds for 1,000 steps, from the mean wall time of all steps but the first.",
        ],
        ["program", "runtime", "time", "start-up", f"speedup over {base}", "parity"],
        measured + failed,
        [*below, "Programs are timed from outside, by when their lines arrive; start-up is the time before step 1."],
    )


def _engines(peers: PeersRun, below: list[str]) -> Iterator[Timed]:
    """The run's cells; a line in ``below`` for each that did not do well."""
    run, oracle = peers.run, peers.record.oracle
    several = len(run.record.runtimes) > 1
    for cell in run.cells:
        name, (status, reason), finding = row(cell, several), run.status(cell), run.finding(cell)
        if status == "ok" and finding is not None:
            parity = oracle.proof if oracle and cell[0] == oracle.row else parity_text(finding)
            # the first step is left out of all rows, as a program's first line tells when it ended but not when it began
            yield Timed(name, cell[1], run.seconds(cell)[:, 1:], NOTHING, parity)
        elif status != "skipped":
            below.append(f"{name} {status}: {reason}")


def _programs(record: PeersRecord, below: list[str]) -> Iterator[Timed]:
    """The programs; a line in ``below`` for each that did not do well, or whose time is of another kind."""
    for peer in record.peers:
        trouble, seconds = bad(record, peer.name), step_seconds(record, peer.name)
        if trouble is not None:
            below.append(f"{peer.name} {_word(trouble)}: {trouble.reason}")
        elif seconds is not None:
            entries = [entry[peer.name] for entry in record.rounds if peer.name in entry]
            if seconds.shape[1] == 1:
                start_up = "in time"
                below.append(f"{peer.name} buffers its output: its time is that of all steps, start-up included.")
            else:
                begin = float(np.median([entry.arrived[0] for entry in entries])) - typical(seconds)
                start_up = f"{max(0.0, begin):.2f}"
            program = pathlib.Path(shlex.split(peer.command[0])[0]).name if peer.shell else peer.command[0]
            losses = entries[0].losses
            digits, fewer = digits_of(losses)
            parity = f"{len(losses)} losses agree to {digits} digits{f', {fewer} of them to fewer' * (fewer > 0)}"
            yield Timed(peer.name, program, seconds, start_up, parity)


def _word(trouble: PeerRound) -> str:
    return "DIVERGED" if trouble.status == "diverged" else trouble.status
