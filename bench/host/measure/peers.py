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
import pathlib
import random
import time
from collections.abc import Iterator, Sequence

from bench.host.measure import oracle as standing_in
from bench.host.measure.peer_process import Task, run_once
from bench.host.measure.plan import Plan
from bench.host.measure.prepare import Request
from bench.host.measure.rounds import Rounds
from bench.host.measure.session import Session
from bench.host.results import store
from bench.host.results.peers import Peer, PeerRound, PeersRecord, PeersRun, bad, check_rows
from bench.host.results.records import REFERENCE, SCHEMA
from bench.host.results.run import Run
from bench.host.system.errors import UsageError
from bench.host.system.progress import Progress, count
from bench.workload import start_file
from bench.workload.config import Config
from bench.workload.failures import failures_of
from bench.workload.trainer import Trainer

REFERENCE_ENGINE = "vector_exact"  # bit-identical with the reference, and fast enough for a thousand steps here


def run(
    session: Session,
    request: Request,
    peers: Sequence[Peer],
    beside: pathlib.Path,
    base: str | None,
    folder: pathlib.Path,
    oracle: bool = False,
) -> PeersRun:
    """A whole measurement, into a new run's ``folder``; the programs stand in ``beside``, ``base`` as in `check_rows`.

    ``oracle``: the first engine of the request stands in for the reference. Raises UsageError, WorkloadError, EngineError,
    Interrupted.
    """
    if request.measuring.steps < 2:
        raise UsageError("--steps 1: the time of a step is the time between two lines, so give at least 2")
    for peer in peers:
        if peer.long_steps is not None and peer.long_steps <= request.measuring.steps:
            raise UsageError(
                f"peer {peer.name}: two_counts is {peer.long_steps}, not more than --steps {request.measuring.steps}: give"
                " more, or true"
            )
    proving = standing_in.row_of(*request.engine_names) if oracle else None
    session.prepare(request)
    check_rows([cell for cell in session.plan.cells if not proving or cell[0] != REFERENCE], peers, base)
    proven = standing_in.stand_in(session, proving) if proving else None
    created = session.create(folder)
    kept = f"rounds are kept in {created.folder}"
    with session.measuring(None, lambda: f"interrupted: {len(created.rounds)} {kept}") as progress:
        progress.say(
            f"{count(len(peers), 'program')} and {count(len(session.plan.cells), 'cell')}, into {created.folder}"
        )
        record = PeersRecord(SCHEMA, list(peers), [], proven)
        return PeersRun(created, measure(session.plan, created, record, beside, request.config, progress))


def measure(
    plan: Plan, run: Run, record: PeersRecord, folder: pathlib.Path, config: Config, progress: Progress
) -> PeersRecord:
    """Rounds of every peer and every engine, saved after each round; a peer that failed is not run again."""
    tasks = {peer.name: task for peer, task in _tasks(plan, record.peers, config, progress)}
    rng = random.Random(plan.settings.order_seed)
    rounds = Rounds(plan, run, progress)
    longest = 0.0
    for round_number in range(1, plan.settings.rounds + 1):
        begun = time.monotonic()
        if round_number > 1 and plan.deadline.left < longest:
            progress.say(f"stopped after {round_number - 1} rounds: the next would pass the budget of {plan.deadline}")
            break
        turns: list[Peer | None] = [None, *(peer for peer in record.peers if bad(record, peer.name) is None)]
        rng.shuffle(turns)
        entry: dict[str, PeerRound] = {}
        for turn in turns:
            if turn is None:
                cells = [cell for cell in plan.cells if run.ok(cell) or not run.rounds]
                rounds.add(cells)
            else:
                peer_round = run_once(turn, folder, tasks[turn.name], plan.settings.timeout_seconds, progress)
                entry[turn.name] = peer_round
                if peer_round.status != "ok":
                    progress.say(f"{turn.name} {peer_round.status}: {peer_round.reason}")
        record = dataclasses.replace(record, rounds=[*record.rounds, entry])
        store.write_json(run.folder / "peers.json", record, indent=None)  # thousands of numbers
        rounds.say_if_over(round_number)
        longest = max(longest, time.monotonic() - begun)
    return record


def _tasks(plan: Plan, peers: Sequence[Peer], config: Config, progress: Progress) -> Iterator[tuple[Peer, Task]]:
    """What each peer is given and must answer: by a training here for each kind of random numbers and schedule."""
    steps, known = plan.settings.steps, dict[Config, Task]()
    for peer in peers:
        wanted = peer.config(config, steps)
        if peer.proof == "none" and not peer.given_start:
            yield peer, Task(steps, plan.documents, None)
            continue
        if wanted not in known:
            trainer = Trainer(REFERENCE_ENGINE, str(plan.documents), wanted)
            progress.say(f"training {steps} steps with the random numbers of {peer.name}, to get the expected losses")
            start = None
            if any(each.given_start for each in peers):
                start = plan.documents.with_name(f"start-{len(known) + 1}.txt")
                start.write_text(start_file.text_of(trainer), encoding="utf-8", newline="\n")
            with failures_of(REFERENCE_ENGINE):
                losses = [trainer.step().loss for _ in range(steps)]
            known[wanted] = Task(steps, plan.documents, losses, start, trainer.weights())
        task = known[wanted]
        yield (
            peer,
            dataclasses.replace(
                task,
                losses=None if peer.proof == "none" else task.losses,
                weights=task.weights if peer.weights else None,
            ),
        )
