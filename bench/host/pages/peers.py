"""The table of other programs beside the engines."""

from __future__ import annotations

import pathlib
import shlex

import numpy as np

from bench.host.pages.wording import number, ratio_text
from bench.host.results.parity import parity_text
from bench.host.results.peers import PeersRecord, bad, check_rows, paired, row, step_seconds
from bench.host.results.printed_losses import digits_of
from bench.host.results.records import REFERENCE, Cell
from bench.host.results.run import Run
from bench.host.results.table import NOTHING, Table
from bench.host.stats.paired import typical


def table(run: Run, found: PeersRecord, base: str | None) -> Table:
    """The table of programs and engines, fastest first. Raises UsageError for a base that is no row."""
    check_rows(run.cells, found.peers, base)
    several = len(run.record.runtimes) > 1
    times: dict[str, np.ndarray] = {}
    starts: dict[str, str] = {}
    parities: dict[str, str] = {}
    kinds: dict[str, str] = {}
    rows, below = [], []
    for engine, runtime in run.cells:
        cell: Cell = (engine, runtime)
        name = row(cell, several)
        status, reason = run.status(cell)
        finding = run.finding(cell)
        if status == "ok" and finding is not None:
            # the first step is left out of all rows, as a program's first line tells when it ended but not when it began
            times[name], starts[name] = run.seconds(cell)[:, 1:], NOTHING
            kinds[name], parities[name] = runtime, parity_text(finding)
        elif status != "skipped":
            below.append(f"{name} {status}: {reason}")
    for peer in found.peers:
        trouble = bad(found, peer.name)
        entries = [entry[peer.name] for entry in found.rounds if peer.name in entry]
        if trouble is not None:
            word = "DIVERGED" if trouble.status == "diverged" else trouble.status
            rows.append([peer.name, peer.command[0], NOTHING, NOTHING, NOTHING, word])
            below.append(f"{peer.name} {word}: {trouble.reason}")
        elif (seconds := step_seconds(found, peer.name)) is not None:
            times[peer.name] = seconds
            if seconds.shape[1] == 1:
                starts[peer.name] = "in time"
                below.append(
                    f"{peer.name} printed its lines in bunches: its time is that of all its steps, start-up included."
                )
            else:
                begin = float(np.median([entry.arrived[0] for entry in entries])) - typical(seconds)
                starts[peer.name] = f"{max(0.0, begin):.2f}"
            kinds[peer.name] = pathlib.Path(shlex.split(peer.command[0])[0]).name if peer.shell else peer.command[0]
            losses = entries[0].losses
            digits, fewer = digits_of(losses)
            parities[peer.name] = (
                f"{len(losses)} losses agree to {digits} digits{f', {fewer} of them to fewer' * (fewer > 0)}"
            )
    if base is not None and base not in times:
        below.append(f"{base} did not do well: speeds are over another row.")
        base = None
    base = base or next((name for name in times if name.startswith(REFERENCE)), next(iter(times), NOTHING))
    whole = {name: float(np.mean(seconds)) for name, seconds in times.items()}
    measured = []
    for name in sorted(times, key=lambda name: whole[name]):
        ratio = paired(times[base], times[name])
        measured.append(
            [
                name,
                kinds[name],
                number(whole[name] * 1e3),
                starts[name],
                "1" if name == base else ratio_text(ratio),
                parities[name],
            ]
        )
    plan = run.record.plan
    return Table(
        "Ports beside the engines",
        [
            f"{run.record.workload.data}; {plan.steps} steps, {len(found.rounds)} rounds; {run.record.machine['cpu']}; {run.record.created}",
            "time: of 1,000 steps in seconds, 1,000 times the mean of steps 2 to the last, on the wall's clock.",
        ],
        ["program", "runtime", "time", "start-up", f"speed over {base}", "parity"],
        measured + rows,
        [*below, "Programs are timed from outside, by when their lines arrive; start-up is what comes before step 1."],
    )
