"""Other programs beside a run's engines: ``peers.json`` of its folder, and the questions that it answers."""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import pathlib
from collections.abc import Sequence
from typing import Literal

import cattrs
import numpy as np

from bench.host.results import checks, store
from bench.host.results.printed_losses import digits_of
from bench.host.results.records import Cell
from bench.host.results.run import Run
from bench.host.stats.paired import Ratio, estimate
from bench.host.system.errors import UsageError
from bench.workload.config import Config

TOGETHER = 1e-4  # seconds: lines that were written together are read within this
WEIGHTS_TOLERANCE = 4e-15  # of each final weight; what a port with the reference's order of operations keeps to
BUNCHED = 0.1  # this share of a peer's lines came together with the one before: steps can't be told apart


@dataclasses.dataclass(frozen=True)
class Peer:
    """A program, as the user's file names it.

    ``{steps}``, ``{data}``, ``{start}`` and ``{here}`` in the words of ``command`` and the values of ``env`` become the number
    of steps and the paths of the documents, of a start file and of the file's folder; a program that is not told the number of steps is ended once it has
    printed enough. ``cwd`` is relative to the file's folder. ``proof``: "losses"; "differs" for a
    program that is known to train another model: it is compared all the same, and timed; "none" for what is timed only.
    ``weights``: the file, relative to ``cwd``, that it writes its final weights into, "" for none; they prove it where none
    is off ours by more than ``tolerance``. ``two_counts``: time it by the difference of two runs, of more and of fewer steps:
    of all and a quarter of them, or of ``long_steps`` and all. ``loss_tolerance``: how far a loss may be off beyond its digits.
    """

    name: str
    command: list[str]
    cwd: str
    env: dict[str, str]
    pattern: str
    shell: bool
    rng: str
    gaussian: str
    schedule_steps: int | None  # None: as many as the steps it is told to train
    proof: Literal["losses", "differs", "none"] = "losses"
    two_counts: bool = False
    weights: str = ""
    tolerance: float = WEIGHTS_TOLERANCE
    long_steps: int | None = None
    loss_tolerance: float = 0.0
    runtime: str = ""  # what runs or compiled it, as the tables are to say: "" for the program of the command

    def config(self, config: Config, steps: int) -> Config:
        """The workload with this peer's random numbers."""
        return dataclasses.replace(
            config, rng=self.rng, gaussian=self.gaussian, schedule_steps=self.schedule_steps or steps
        )

    @property
    def told_steps(self) -> bool:
        """Whether the program is told how many steps to train."""
        return self._told("{steps}")

    @property
    def given_start(self) -> bool:
        """Whether it is handed the weights and the order of the documents, in place of random numbers."""
        return self._told("{start}")

    @property
    def silent(self) -> bool:
        """Whether it may do without printing losses: they need not prove it, and it ends by itself."""
        return self.told_steps and (self.proof == "none" or bool(self.weights))

    def _told(self, placeholder: str) -> bool:
        return any(placeholder in word for word in (*self.command, *self.env.values()))


@dataclasses.dataclass(frozen=True)
class PeerRound:
    """A peer's process in one round: ``losses`` as printed; ``arrived``: seconds from its start to each of their lines.

    Seconds in which it waited for a processor are not counted, where the system tells.

    ``ended``: seconds from its start to its end, where it was told its steps; ``short_ended`` those of another process of it
    for ``short_steps``. ``weights_off``: the largest difference of its final weights from ours. ``reason``: what is wrong with
    it; of a program that is known to differ, where it does.
    """

    status: Literal["ok", "failed", "diverged"]
    reason: str
    losses: list[str]
    arrived: list[float]
    ended: float | None = None
    short_steps: int | None = None
    short_ended: float | None = None
    weights_off: float | None = None


@dataclasses.dataclass(frozen=True)
class Oracle:
    """The engine of a row that stands in for the reference, whose bits it had over the first ``steps`` on every runtime."""

    row: str
    steps: int

    @property
    def proof(self) -> str:
        """In words, how it was proven."""
        return f"bit-identical with the reference over {self.steps} steps"


@dataclasses.dataclass(frozen=True)
class PeersRecord:
    """peers.json: the peers beside a run's engines, and what each did in each round."""

    schema: int
    peers: list[Peer]
    rounds: list[dict[str, PeerRound]]
    oracle: Oracle | None = None

    def peer(self, name: str) -> Peer:
        """The peer of this name."""
        return next(peer for peer in self.peers if peer.name == name)


@dataclasses.dataclass(frozen=True)
class PeersRun:
    """A run, and the peers that were measured beside its engines."""

    run: Run
    record: PeersRecord

    def good(self) -> bool:
        """Did every peer and every engine do well?"""
        return self.run.good() and all(bad(self.record, peer.name) is None for peer in self.record.peers)

    def over(self, cell: Cell, name: str) -> Ratio | None:
        """How many times as fast as a cell of the run the peer ``name`` is; None where it did not do well or was not checked."""
        return self.speedup(name, cell[0], cell[1])

    def speedup(self, name: str, over: str, runtime: str) -> Ratio | None:
        """How many times as fast ``name`` is as ``over``, each a peer, or an engine on a runtime; None without times that count."""
        before, after = (self.seconds(each, runtime) for each in (over, name))
        return None if before is None or after is None else times_as_fast(before, after)

    def seconds(self, name: str, runtime: str) -> np.ndarray | None:
        """Seconds per step of a peer that was checked, or of an engine on a runtime, (rounds, steps - 1); None for none that count.

        The first step is left out, as a program's first line tells when it ended but not when it began.
        """
        if name in self.checked:
            return step_seconds(self.record, name, self.run.record.plan.steps)
        return _unhindered(self.run, (name, runtime))[:, 1:] if self.run.ok((name, runtime)) else None

    @property
    def checked(self) -> list[str]:
        """Names of the peers that had something to prove."""
        return [peer.name for peer in self.record.peers if peer.proof == "losses"]

    @property
    def rows(self) -> dict[str, np.ndarray]:
        """`seconds` by row: of the engines, then of the peers, as far as they count."""
        several = len(self.run.record.runtimes) > 1
        named = [(row(cell, several), *cell) for cell in self.run.cells]
        named += [(name, name, "") for name in self.checked]
        times = {shown: self.seconds(name, runtime) for shown, name, runtime in named}
        return {shown: seconds for shown, seconds in times.items() if seconds is not None}


def _unhindered(run: Run, cell: Cell) -> np.ndarray:
    """Seconds per step of an engine, without those in which it waited for a processor, where the system told: as a peer's clock."""
    waited = [np.array(record.delay_nanoseconds or 0.0) * 1e-9 for record in run.of(cell)]
    seconds: np.ndarray = np.maximum(run.seconds(cell) - np.array(waited).reshape(len(waited), -1), 1e-9)
    return seconds


def bad(record: PeersRecord, name: str) -> PeerRound | None:
    """The first round in which a peer did not do well."""
    return next((entry[name] for entry in record.rounds if name in entry and entry[name].status != "ok"), None)


def load(folder: pathlib.Path) -> PeersRun:
    """A run with its peers from disk. Raises UsageError."""
    if not (folder / "peers.json").is_file():
        raise UsageError(f"{folder} has no peers.json: microgpt-bench peers makes one")
    peers = peers_of(store.load(folder))
    assert peers is not None
    return peers


def peers_of(run: Run) -> PeersRun | None:
    """A run on disk with its peers; None where it has none. Raises UsageError."""
    path, steps = run.folder / "peers.json", run.record.plan.steps
    if not path.is_file():
        return None
    return PeersRun(run, store.read(path, PeersRecord, lambda record: checks.check_peers(record, steps, digits_of)))


def times_as_fast(baseline: np.ndarray, seconds: np.ndarray) -> Ratio:
    """The ratio of two programs' mean times a step, both (rounds, steps), over the rounds that both have.

    Whole times, not steps in pairs: a program that compiles or collects garbage on the way pays for it, whenever it does,
    and programs run one after the other, so that no step of one has a partner in the other. Rounds are the replicates, by
    Student's t over their log-ratios, and by less than so many where they drift.
    """
    rounds = min(len(baseline), len(seconds))
    means = (part[:rounds].mean(axis=1) for part in (baseline, seconds))
    before, after = map(np.log, means)
    return estimate(before - after).ratio(0.95)


def step_seconds(record: PeersRecord, name: str, steps: int) -> np.ndarray | None:
    """Seconds from each of a peer's loss lines to the next, (rounds, steps - 1); None where it did not do well.

    Of a peer whose lines came in bunches the mean from start to last line, (rounds, 1); of one that printed no loss at some
    step, from start to end; of one that ran with two numbers of steps, the difference of its times over that of its steps.
    """
    entries = [entry[name] for entry in record.rounds if name in entry]
    if not entries or bad(record, name) is not None:
        return None
    if record.peer(name).two_counts:
        most = record.peer(name).long_steps or steps
        return np.array([[((e.ended or 0) - (e.short_ended or 0)) / (most - (e.short_steps or 0))] for e in entries])
    if any(len(entry.arrived) < steps for entry in entries):
        return np.array([[(entry.ended or math.nan) / steps] for entry in entries])
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
            raise UsageError(f"peer {peer.name} has the same name as an engine's row: rename the peer")
        if peer.proof != "losses" and peer.name == base:
            raise UsageError(f"{base} has no proof, and nothing is compared with it: choose another row")
        names.append(peer.name)
    if base is not None and base not in names:
        near = difflib.get_close_matches(base, names, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UsageError(f"no row {base!r} to compare with: {hint}choose from {', '.join(names)}")


def to_json(peers: PeersRun) -> str:
    """For programs."""
    return json.dumps({"good": peers.good(), **cattrs.unstructure(peers.record)}, indent=1, ensure_ascii=False)
