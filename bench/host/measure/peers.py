"""Any port of microgpt beside the engines: programs run as they are, timed from outside, each printed loss checked.

A peer is a command that prints a line per training step. In each round every peer runs once as a whole process, and
the engines run once in lockstep with one another, in an order shuffled anew. What a program prints is stamped with the
clock as it arrives, through a pseudo-terminal where the system has them, because many programs hold their output back
when they write into a pipe. The time between two loss lines is a step's, the rest before the first line is start-up.
Where lines arrive in bunches all the same, nothing is known of single steps: the whole time is shared out among them, and
the table says so.

The losses that a peer must print are an engine's that is bit-identical with the reference, trained here on the same
documents with the generator that the peer names.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import pathlib
import random
import shlex
import time
from collections.abc import Sequence

import cattrs
import numpy as np

from bench.host.measure.lockstep import add, say_if_over
from bench.host.measure.peer_file import Peer
from bench.host.measure.peer_process import PeerRound, digits_of, run_once
from bench.host.measure.plan import REFERENCE, Plan, Progress
from bench.host.measure.prepare import Request
from bench.host.measure.round import Round
from bench.host.measure.session import Session
from bench.host.pages.tables import NOTHING, Table, number, parity_text, ratio_text
from bench.host.results import store, validity
from bench.host.results.records import SCHEMA, Cell
from bench.host.results.run import Run
from bench.host.stats.paired import Ratio, paired_ratio, typical
from bench.host.system.errors import UsageError
from bench.workload.config import Config
from bench.workload.failures import failures_of
from bench.workload.trainer import Trainer

TRUTH = "vector_exact"  # bit-identical with the reference, and fast enough for a thousand steps here
TOGETHER = 1e-4  # seconds: lines that were written together are read within this
BUNCHED = 0.1  # this share of a peer's lines came together with the one before: steps can't be told apart


@dataclasses.dataclass(frozen=True)
class PeersRecord:
    """peers.json: the peers beside a run's engines, and what each did in each round."""

    schema: int
    peers: list[Peer]
    rounds: list[dict[str, PeerRound]]


def run(
    session: Session,
    request: Request,
    peers: Sequence[Peer],
    beside: pathlib.Path,
    base: str | None,
    folder: pathlib.Path,
) -> PeersRecord:
    """A whole measurement, into a new run's ``folder``; the programs stand in ``beside``, ``base`` as in `check_rows`.

    Raises UsageError, WorkloadError, EngineError, Interrupted.
    """
    if request.measuring.steps < 2:
        raise UsageError("--steps 1: the time of a step is the time between two lines, so give at least 2")
    session.prepare(request)
    check_rows(session.plan.cells, peers, base)
    created = session.create(folder)
    kept = f"rounds are kept in {created.folder}"
    with session.measuring(None, lambda: f"interrupted: {len(created.rounds)} {kept}") as progress:
        progress.say(f"{len(peers)} programs and {len(session.plan.cells)} cells, into {created.folder}")
        return measure(session.plan, created, peers, beside, request.config, progress)


def measure(
    plan: Plan, run: Run, peers: Sequence[Peer], folder: pathlib.Path, config: Config, progress: Progress
) -> PeersRecord:
    """Rounds of every peer and every engine, saved after each round; a peer that failed is not run again."""
    steps, documents = plan.record.steps, plan.documents
    truths: dict[Config, list[float]] = {}
    for peer in peers:
        wanted = peer.config(config, steps)
        if wanted not in truths:
            trainer = Trainer(TRUTH, str(documents), wanted)
            progress.say(f"training {steps} steps with the random numbers of {peer.name}, to check by")
            with failures_of(TRUTH):
                truths[wanted] = [trainer.step().loss for _ in range(steps)]
    found = PeersRecord(SCHEMA, list(peers), [])
    rng = random.Random(plan.record.order_seed)
    longest = 0.0
    for round_number in range(1, plan.record.rounds + 1):
        begun = time.monotonic()
        if round_number > 1 and plan.deadline.left < longest:
            progress.say(f"stopped after {round_number - 1} rounds: the next would pass the budget of {plan.deadline}")
            break
        turns: list[Peer | None] = [None, *(peer for peer in peers if bad(found, peer.name) is None)]
        rng.shuffle(turns)
        entry: dict[str, PeerRound] = {}
        for turn in turns:
            if turn is None:
                cells = [cell for cell in plan.cells if run.status(cell)[0] == "ok" or not run.rounds]
                current = Round(plan, round_number, cells, progress)
                add(run, current, current.run())
            else:
                truth = truths[turn.config(config, steps)]
                done = run_once(turn, folder, steps, documents, truth, plan.record.timeout_seconds, progress)
                entry[turn.name] = done
                if done.status != "ok":
                    progress.say(f"{turn.name} {done.status}: {done.reason}")
        found = dataclasses.replace(found, rounds=[*found.rounds, entry])
        store.write_json(run.folder / "peers.json", found, indent=None)  # thousands of numbers
        say_if_over(plan.deadline, round_number, progress)
        longest = max(longest, time.monotonic() - begun)
    return found


def bad(found: PeersRecord, name: str) -> PeerRound | None:
    """The first round in which a peer did not do well."""
    return next((entry[name] for entry in found.rounds if name in entry and entry[name].status != "ok"), None)


def good(run: Run, found: PeersRecord) -> bool:
    """Did every peer and every engine do well?"""
    return run.good() and all(bad(found, peer.name) is None for peer in found.peers)


def load(folder: pathlib.Path) -> tuple[Run, PeersRecord]:
    """A run with its peers from disk. Raises UsageError."""
    if not (folder / "peers.json").is_file():
        raise UsageError(f"{folder} has no peers.json: microgpt-bench peers makes one")
    run = store.load(folder)
    steps = run.record.plan.steps
    found = store.read(
        folder / "peers.json", PeersRecord, lambda record: validity.check_peers(record, steps, digits_of)
    )
    return run, found


def over(run: Run, found: PeersRecord, cell: Cell, name: str) -> Ratio | None:
    """How many times as fast as a cell of the run a peer is; None where it did not do well."""
    seconds = step_seconds(found, name)
    return None if seconds is None else paired(run.seconds(cell)[:, 1:], seconds)


def paired(baseline: np.ndarray, seconds: np.ndarray) -> Ratio:
    """The ratio over the rounds that both have, step by step, or of the means where one has nothing but means."""
    rounds = min(len(baseline), len(seconds))
    baseline, seconds = baseline[:rounds], seconds[:rounds]
    if baseline.shape != seconds.shape:
        baseline, seconds = (part.mean(axis=1, keepdims=True) for part in (baseline, seconds))
    return paired_ratio(baseline, seconds)


def step_seconds(found: PeersRecord, name: str) -> np.ndarray | None:
    """Seconds from each of a peer's loss lines to the next, (rounds, steps - 1); None where it did not do well.

    Of a peer whose lines came in bunches the mean from start to last line, (rounds, 1).
    """
    entries = [entry[name] for entry in found.rounds if name in entry]
    if not entries or bad(found, name) is not None:
        return None
    arrived = np.array([entry.arrived for entry in entries])
    gaps = np.diff(arrived, axis=1)
    if np.mean(gaps < TOGETHER) > BUNCHED:
        whole: np.ndarray = arrived[:, -1:] / arrived.shape[1]
        return whole
    apart: np.ndarray = np.maximum(gaps, 1e-9)  # two lines read at once now and then: never at no distance
    return apart


def row(cell: Cell, several: bool) -> str:
    """The name of an engine's row; ``several``: there is more than one runtime."""
    return " on ".join(cell) if several else cell[0]


def check_rows(cells: Sequence[Cell], peers: Sequence[Peer], base: str | None) -> None:
    """Raises UsageError where two rows would have one name, or none that of the base."""
    names = [row(cell, len({runtime for _, runtime in cells}) > 1) for cell in cells]
    for peer in peers:
        if peer.name in names:
            raise UsageError(f"peer {peer.name} has the name of an engine's row: give it another one")
        names.append(peer.name)
    if base is not None and base not in names:
        near = difflib.get_close_matches(base, names, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UsageError(f"no row {base!r} to compare with: {hint}choose from {', '.join(names)}")


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


def to_json(run: Run, found: PeersRecord) -> str:
    """For programs."""
    return json.dumps({"good": good(run, found), **cattrs.unstructure(found)}, indent=1, ensure_ascii=False)
