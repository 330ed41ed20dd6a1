"""Any port of microgpt beside the engines: programs run as they are, timed from outside, each printed loss checked.

A peer is a command that prints a line per training step. In each round every peer runs once as a whole process, and
the engines run once in lockstep with one another, in an order shuffled anew. What a program prints is stamped with the
clock as it arrives, through a pseudo-terminal where the system has them, because many programs hold their output back
when they write into a pipe. The time between two loss lines is a step's, the rest before the first line is start-up.

The losses that a peer must print are an engine's that is bit-identical with the reference, trained here on the same
documents with the generator that the peer names.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import json
import math
import os
import pathlib
import queue
import random
import re
import shlex
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import cattrs
import numpy as np
import tomllib

from bench.host import results, stats
from bench.host.errors import UsageError
from bench.host.lockstep import REFERENCE, Plan, Progress, Round, add
from bench.host.results import Cell
from bench.host.tables import NOTHING, Table, number, parity_text, ratio_text
from bench.workload.config import CHOICES, Config
from bench.workload.trainer import Trainer

PATTERN = r"step\s+(?P<step>\d+)\s*/\s*\d+\s*\|\s*loss\s+(?P<loss>\S+)"
TRUTH = "vector_exact"  # bit-identical with the reference, and fast enough for a thousand steps here
TIE = 1e-9  # a loss this near to the middle between two printed numbers may be printed as either
KEYS = ("command", "cwd", "env", "pattern", "shell", "rng", "gaussian", "schedule_steps")


@dataclasses.dataclass(frozen=True)
class Peer:
    """A program, as the user's file names it.

    ``{steps}`` and ``{data}`` in the words of ``command`` and the values of ``env`` become the number of steps and the
    path of the documents; a program that is not told the number of steps is ended once it has printed enough. ``cwd`` is
    relative to the file's folder.
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

    def config(self, config: Config, steps: int) -> Config:
        """The workload with this peer's random numbers."""
        return dataclasses.replace(
            config, rng=self.rng, gaussian=self.gaussian, schedule_steps=self.schedule_steps or steps
        )

    @property
    def told_steps(self) -> bool:
        """Whether the program is told how many steps to train."""
        return any("{steps}" in word for word in (*self.command, *self.env.values()))


@dataclasses.dataclass(frozen=True)
class PeerRound:
    """A peer's process in one round: ``losses`` as printed; ``arrived``: seconds from its start to each of their lines."""

    status: Literal["ok", "failed", "diverged"]
    reason: str
    losses: list[str]
    arrived: list[float]


@dataclasses.dataclass(frozen=True)
class PeersRecord:
    """peers.json: the peers beside a run's engines, and what each did in each round."""

    schema: int
    peers: list[Peer]
    rounds: list[dict[str, PeerRound]]


# --------------------------------------------------------------------- the user's file


def read_file(path: pathlib.Path) -> list[Peer]:
    """The peers of a TOML file. Raises UsageError for whatever is wrong with it."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}") from None
    check_keys(f"{path}", found, ["peers"])
    peers = found.get("peers")
    if not isinstance(peers, dict) or not peers:
        raise UsageError(f"{path} names no peers: write a table [peers.NAME] with command = [...] for each")
    return [_peer(f"{path}: peer {name}", name, about, path.parent) for name, about in peers.items()]


def check_keys(where: str, found: Mapping[str, Any], known: Sequence[str]) -> None:
    """Raises UsageError for an unknown key, naming the nearest known one."""
    for key in found:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
            raise UsageError(f"{where} has an unknown key {key!r}: did you mean {near[0]!r}?")


def _peer(where: str, name: str, about: Any, folder: pathlib.Path) -> Peer:
    if not isinstance(about, dict):
        raise UsageError(f"{where} is no table: write [peers.{name}]")
    check_keys(where, about, KEYS)
    kinds = {"cwd": str, "env": dict, "pattern": str, "shell": bool, "rng": str, "gaussian": str}
    for key, kind in kinds.items():
        if key in about and not isinstance(about[key], kind):
            raise UsageError(f"{where}: {key} is {about[key]!r}, not a {'table' if kind is dict else kind.__name__}")
    shell, command = about.get("shell", False), about.get("command")
    if shell and isinstance(command, str):
        command = [command]
    if not isinstance(command, list) or not command or not all(isinstance(word, str) and word for word in command):
        raise UsageError(
            f"{where}: command is {command!r}: give a list of words, or with shell = true one text for the shell"
        )
    env = about.get("env", {})
    if not all(isinstance(value, str) for value in env.values()):
        raise UsageError(f"{where}: the values of env must be text")
    for key in ("rng", "gaussian"):
        if about.get(key, CHOICES[key][0]) not in CHOICES[key]:
            raise UsageError(f"{where}: {key} is {about[key]!r}: choose {' or '.join(CHOICES[key])}")
    schedule = about.get("schedule_steps", 1000)
    if schedule != "steps" and (isinstance(schedule, bool) or not isinstance(schedule, int) or schedule < 1):
        raise UsageError(f'{where}: schedule_steps is {schedule!r}: give a number of steps, or "steps"')
    pattern = about.get("pattern", PATTERN)
    try:
        groups = re.compile(pattern).groupindex
    except re.error as error:
        raise UsageError(f"{where}: pattern is no regular expression: {error}") from None
    if "loss" not in groups:
        raise UsageError(f"{where}: pattern has no group (?P<loss>...) to find the loss by")
    cwd = about.get("cwd", ".")
    if not (folder / cwd).is_dir():
        raise UsageError(f"{where}: cwd {folder / cwd} is not a folder")
    peer = Peer(
        name,
        command,
        cwd,
        env,
        pattern,
        shell,
        about.get("rng", "mersenne"),
        about.get("gaussian", "polar"),
        None if schedule == "steps" else schedule,
    )
    Config(rng=peer.rng, gaussian=peer.gaussian)  # do they go together?
    return peer


# --------------------------------------------------------------------- one process


class Program:
    """A peer's process, its output cut into lines as it comes."""

    def __init__(self, peer: Peer, folder: pathlib.Path, steps: int, data: pathlib.Path) -> None:
        def fill(word: str) -> str:
            return word.replace("{steps}", str(steps)).replace("{data}", str(data))

        words = [fill(word) for word in peer.command]
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed in stop)
        try:
            import pty

            self._output, writing = pty.openpty()
        except ImportError:  # Windows
            self._output, writing = os.pipe()
        self.started = time.monotonic()
        try:
            self._process = subprocess.Popen(
                words[0] if peer.shell else words,
                shell=peer.shell,
                cwd=folder / peer.cwd,
                env={**os.environ, **{name: fill(value) for name, value in peer.env.items()}},
                stdin=subprocess.DEVNULL,
                stdout=writing,
                stderr=self._errors,
                start_new_session=True,
            )
        except OSError:
            os.close(self._output)
            self._errors.close()
            raise
        finally:
            os.close(writing)
        self._lines: queue.SimpleQueue[tuple[float, str] | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        rest = b""
        while True:
            try:
                chunk = os.read(self._output, 65536)
            except OSError:  # how a pseudo-terminal says that the other side is closed
                chunk = b""
            now = time.monotonic() - self.started
            if not chunk:
                break
            *lines, rest = re.split(rb"[\r\n]+", rest + chunk)
            for line in lines:
                self._lines.put((now, line.decode(errors="replace")))
        if rest:
            self._lines.put((now, rest.decode(errors="replace")))
        self._lines.put(None)

    def line(self, timeout: float) -> tuple[float, str] | None:
        """The next line and when it came, in seconds from the start; None at the end. Raises queue.Empty."""
        return self._lines.get(timeout=timeout)

    def ending(self, timeout: float) -> str:
        """Wait for the end and say what was wrong with it, "" where nothing was."""
        try:
            status = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return f"did not end within {timeout:.0f} s of its last step"
        if status == 0:
            return ""
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip().splitlines()
        how = f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        return f"{how}: {said[-1][:200]}" if said else how

    def stop(self) -> None:
        """End the process and all that it started."""
        with contextlib.suppress(OSError, AttributeError):  # the group outlives the process, if a child is left
            os.killpg(self._process.pid, signal.SIGKILL)
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._reader.join(timeout=1)
        with contextlib.suppress(OSError):
            os.close(self._output)
        self._errors.close()


def run_once(
    peer: Peer,
    folder: pathlib.Path,
    steps: int,
    data: pathlib.Path,
    truth: Sequence[float],
    timeout: float,
    progress: Progress,
) -> PeerRound:
    """Run a peer to the end of its steps and check each loss as it comes. ``folder``: its file's."""
    losses: list[str] = []
    arrived: list[float] = []

    def ended(status: Literal["ok", "failed", "diverged"], reason: str = "") -> PeerRound:
        return PeerRound(status, reason, losses, arrived)

    try:
        program = Program(peer, folder, steps, data)
    except OSError as error:
        return ended("failed", f"cannot start {peer.command[0]}: {error.strerror}")
    pattern = re.compile(peer.pattern)
    try:
        while len(losses) < steps:
            try:
                found = program.line(timeout)
            except queue.Empty:
                return ended("failed", f"silent for {timeout:.0f} s after {len(losses)} of {steps} steps")
            if found is None:
                why = program.ending(timeout) or "exit status 0"
                return ended("failed", f"ended after {len(losses)} of {steps} steps ({why})")
            when, line = found
            match = pattern.search(line)
            if match is None:
                continue
            step, loss = match.groupdict().get("step"), match["loss"]
            if step is not None and int(step) != len(losses) + 1:
                if losses and int(step) == len(losses):
                    continue  # a line drawn again
                return ended("failed", f"garbled: step {step} where {len(losses) + 1} belongs: {line[:60]!r}")
            expected = truth[len(losses)]
            try:
                same = agrees(loss, expected)
            except ValueError:
                return ended("failed", f"garbled: {loss[:30]!r} is no loss: {line[:60]!r}")
            losses.append(loss)
            arrived.append(round(when, 6))
            progress.advance(f"{peer.name}, step {len(losses)}")
            if not same:
                return ended("diverged", f"step {len(losses)} printed {loss} where {expected:.6f} belongs")
        if peer.told_steps:
            why = program.ending(timeout)
            if why:
                return ended("failed", f"after its last step: {why}")
        return ended("ok")
    finally:
        program.stop()


def agrees(printed: str, expected: float) -> bool:
    """Whether a printed loss is this one, to the digits printed. Raises ValueError where it is no number."""
    value = float(printed)
    if not math.isfinite(value):
        return False
    mantissa, _, exponent = printed.lower().partition("e")
    digits = len(mantissa.partition(".")[2]) - int(exponent or 0)
    return abs(value - expected) <= 0.5 * 10.0**-digits + TIE


# --------------------------------------------------------------------- all of them


def measure(
    plan: Plan, run: results.Run, peers: Sequence[Peer], folder: pathlib.Path, config: Config, progress: Progress
) -> PeersRecord:
    """Rounds of every peer and every engine, saved after each round; a peer that failed is not run again."""
    steps, documents = plan.record.steps, plan.documents
    truths: dict[Config, list[float]] = {}
    for peer in peers:
        wanted = peer.config(config, steps)
        if wanted not in truths:
            trainer = Trainer(TRUTH, str(documents), wanted)
            progress.say(f"training {steps} steps with the random numbers of {peer.name}, to check by")
            truths[wanted] = [trainer.step().loss for _ in range(steps)]
    found = PeersRecord(results.SCHEMA, list(peers), [])
    rng = random.Random(plan.record.order_seed)
    started, longest = time.monotonic(), 0.0
    for round_number in range(1, plan.record.rounds + 1):
        begun = time.monotonic()
        if round_number > 1 and plan.record.budget_seconds and begun - started + longest > plan.record.budget_seconds:
            progress.say(f"stopped after {round_number - 1} rounds: the next would pass the budget")
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
        results.write_json(run.folder / "peers.json", found)
        longest = max(longest, time.monotonic() - begun)
    return found


def bad(found: PeersRecord, name: str) -> PeerRound | None:
    """The first round in which a peer did not do well."""
    return next((entry[name] for entry in found.rounds if name in entry and entry[name].status != "ok"), None)


def good(run: results.Run, found: PeersRecord) -> bool:
    """Did every peer and every engine do well?"""
    return run.good() and all(bad(found, peer.name) is None for peer in found.peers)


def load(folder: pathlib.Path) -> tuple[results.Run, PeersRecord]:
    """A run with its peers from disk. Raises UsageError."""
    if not (folder / "peers.json").is_file():
        raise UsageError(f"{folder} has no peers.json: microgpt-bench peers makes one")
    return results.load(folder), results.read(folder / "peers.json", PeersRecord)


def over(run: results.Run, found: PeersRecord, cell: Cell, name: str) -> stats.Ratio | None:
    """How many times as fast as a cell of the run a peer is; None where it did not do well."""
    seconds = between_lines(found, name)
    if seconds is None:
        return None
    baseline = run.seconds(cell)[:, 1:]
    rounds = min(len(baseline), len(seconds))
    return stats.paired_ratio(baseline[:rounds], seconds[:rounds])


def between_lines(found: PeersRecord, name: str) -> np.ndarray | None:
    """Seconds from each of a peer's loss lines to the next, (rounds, steps - 1); None where it did not do well."""
    entries = [entry[name] for entry in found.rounds if name in entry]
    if not entries or bad(found, name) is not None:
        return None
    # a line may be read late, together with the next one: never at a negative or no distance
    return np.maximum(np.diff(np.array([entry.arrived for entry in entries]), axis=1), 1e-9)


def table(run: results.Run, found: PeersRecord, base: str | None) -> Table:
    """The table of programs and engines, fastest first. Raises UsageError for a base that was not measured."""
    several = len(run.record.runtimes) > 1
    times: dict[str, np.ndarray] = {}
    starts: dict[str, str] = {}
    parities: dict[str, str] = {}
    kinds: dict[str, str] = {}
    rows, below = [], []
    for engine, runtime in run.cells:
        cell: Cell = (engine, runtime)
        name = f"{engine} on {runtime}" if several else engine
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
        elif (seconds := between_lines(found, peer.name)) is not None:
            times[peer.name] = seconds
            begin = float(np.median([entry.arrived[0] for entry in entries])) - stats.typical(seconds)
            starts[peer.name] = f"{max(0.0, begin):.2f}"
            kinds[peer.name] = pathlib.Path(shlex.split(peer.command[0])[0]).name if peer.shell else peer.command[0]
            digits = len(entries[0].losses[0].partition(".")[2])
            parities[peer.name] = f"{len(entries[0].losses)} losses agree to {digits} digits"
    base = base or next((name for name in times if name.startswith(REFERENCE)), next(iter(times), None))
    if base not in times:
        raise UsageError(f"no row {base} was measured: choose from {', '.join(times) or 'none'}")
    whole = {name: float(np.mean(seconds)) for name, seconds in times.items()}
    measured = []
    for name in sorted(times, key=lambda name: whole[name]):
        rounds = min(len(times[name]), len(times[base]))
        ratio = stats.paired_ratio(times[base][:rounds], times[name][:rounds])
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


def to_json(run: results.Run, found: PeersRecord) -> str:
    """For programs."""
    return json.dumps({"good": good(run, found), **cattrs.unstructure(found)}, indent=1, ensure_ascii=False)
