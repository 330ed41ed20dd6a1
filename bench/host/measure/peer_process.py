"""One peer's process: run as it is, its output stamped with the clock as it arrives, each loss checked at once."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
import pathlib
import queue
import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from typing import Literal

from bench.host.measure.answers import one_line
from bench.host.measure.peer_output import Printed, shortened
from bench.host.measure.peer_weights import Weights, WrittenWeights
from bench.host.measure.worker_process import signal_name
from bench.host.results.peers import Peer, PeerRound
from bench.host.results.printed_losses import FEWEST_DIGITS, digits_of
from bench.host.system import processes
from bench.host.system.progress import Progress

# of a line, also one that is drawn over: the cursor's moves, and what clears a line or the screen
END = re.compile(rb"[\r\n]+|\x1b\[[0-9;]*[A-HJKfsu]")
FEWER = 4  # times fewer steps in the shorter of two runs
LONGEST = 4096  # bytes: of a line that does not end, no more is kept than could be one with a loss

_numbers = itertools.count(1)


@dataclasses.dataclass(frozen=True)
class Task:
    """What a program is given, and what it must answer.

    ``losses``: of its steps, None where they are not checked; ``start``: the file with the weights and documents to begin
    with; ``weights``: the final ones, where they are its proof.
    """

    steps: int
    data: pathlib.Path
    losses: Sequence[float] | None
    start: pathlib.Path | None = None
    weights: Weights | None = None

    def fill(self, word: str, here: pathlib.Path) -> str:
        """A word of a command with what stands for its placeholders; ``here``: the folder of the peers' file."""
        word = word.replace("{here}", str(here.resolve()))
        filled = word.replace("{steps}", str(self.steps)).replace("{data}", str(self.data))
        return filled.replace("{start}", str(self.start))


class Program:
    """A peer's process, its output cut into lines as it comes."""

    def __init__(self, peer: Peer, folder: pathlib.Path, task: Task) -> None:
        words = [task.fill(word, folder) for word in peer.command]
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed in stop)
        try:
            import pty

            self._output, writing = pty.openpty()
        except ImportError:  # Windows
            self._output, writing = os.pipe()
        self._mark = processes.below(next(_numbers))
        self.started = time.monotonic()
        try:
            self._process = subprocess.Popen(
                words[0] if peer.shell else words,
                shell=peer.shell,
                cwd=folder / peer.cwd,
                env={
                    **os.environ,
                    **{name: task.fill(value, folder) for name, value in peer.env.items()},
                    processes.MARKER: self._mark,
                },
                stdin=subprocess.DEVNULL,
                stdout=writing,
                stderr=self._errors,
                start_new_session=True,
            )
        except (OSError, ValueError):
            os.close(self._output)
            self._errors.close()
            raise
        finally:
            os.close(writing)
        self.closed: float | None = None  # on its clock, at the end of the output
        self._latest = 0.0
        self._lines: queue.SimpleQueue[tuple[float, str] | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _clock(self) -> float:
        """Seconds from its start, without those in which it waited for a processor, as far as the system tells them.

        What it waited so far is known only once it has gone on, so that this clock may stand still.
        """
        waited = 0
        with contextlib.suppress(OSError, ValueError, IndexError):  # Linux: of its main thread, in nanoseconds
            waited = int(pathlib.Path(f"/proc/{self._process.pid}/schedstat").read_text().split()[1])
        self._latest = max(self._latest, time.monotonic() - self.started - waited * 1e-9)
        return self._latest

    def _read(self) -> None:
        rest, came = b"", 0.0  # a line's beginning, and when its last byte was read
        while True:
            try:
                chunk = os.read(self._output, 65536)
            except OSError:  # how a pseudo-terminal says that the other side is closed
                chunk = b""
            now = self._clock()
            if not chunk:
                break
            whole = bool(rest) and END.match(chunk) is not None  # only the end of the line is new
            *lines, last = END.split(rest + chunk)
            for number, line in enumerate(lines):
                self._lines.put((came if whole and not number else now, line.decode(errors="replace")))
            rest, came = last[-LONGEST:], now
        if rest:
            self._lines.put((came, rest.decode(errors="replace")))
        self.closed = now
        self._lines.put(None)

    def line(self, deadline: float) -> tuple[float, str] | None:
        """The next line and when it came, in seconds from the start; None at the end. Raises queue.Empty at the deadline.

        ``deadline`` is on time.monotonic(). The end is that of the output, or of the program where something that it started
        holds the output open.
        """
        while time.monotonic() < deadline:
            over = self._process.poll() is not None
            try:
                # what an ended program has printed is here in no time
                return self._lines.get(timeout=0.5 if over else max(0.0, min(0.5, deadline - time.monotonic())))
            except queue.Empty:
                if over:
                    return None
        raise queue.Empty

    def ending(self, timeout: float) -> str:
        """Wait for the end and say what was wrong with it, "" where nothing was."""
        try:
            status = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return f"did not end within {timeout:.0f} s of its last step"
        if status == 0:
            return ""
        said = self.errors()
        how = f"killed by {signal_name(-status)}" if status < 0 else f"exit status {status}"
        return f"{how}: {one_line(said[-1], 200)}" if said else how

    def seconds(self) -> float:
        """From its start to its end, for a program that has ended: its output closes then, but where a child holds it open."""
        self._reader.join(timeout=0.5)
        return self._clock() if self.closed is None else self.closed

    def errors(self) -> list[str]:
        """Lines of standard error so far."""
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace").strip().splitlines()

    def stop(self) -> None:
        """End the process and all that it started."""
        processes.end_marked([self._mark], [self._process.pid] if self._process.poll() is None else [])
        processes.end(self._process)
        self._reader.join(timeout=1)
        with contextlib.suppress(OSError):
            os.close(self._output)
        self._errors.close()


def run_once(peer: Peer, folder: pathlib.Path, task: Task, timeout: float, progress: Progress) -> PeerRound:
    """Run a peer to the end of its steps, and if it is timed by two numbers of steps, to the other number too.

    ``folder``: its file's.
    """
    if not peer.two_counts:
        return _run(peer, folder, task, timeout, progress)
    steps = peer.long_steps or max(1, task.steps // FEWER)
    # where the learning rate falls to 0 with the steps told, a training of another length has other losses
    losses = task.losses[:steps] if task.losses is not None and peer.schedule_steps and not peer.long_steps else None
    other = _run(peer, folder, dataclasses.replace(task, steps=steps, losses=losses, weights=None), timeout, progress)
    if other.status != "ok" or other.ended is None:
        return dataclasses.replace(other, reason=f"told {steps} steps: {other.reason}")
    whole = _run(peer, folder, task, timeout, progress)
    if whole.status != "ok" or whole.ended is None:
        return whole
    (fewer, short), (more, long) = sorted([(steps, other.ended), (task.steps, whole.ended)])
    if long <= short:
        hint = "a larger number of two_counts" if peer.long_steps else "more --steps, or two_counts a number of steps"
        why = f"it took no longer for {more} steps than for {fewer}: give {hint}"
        return dataclasses.replace(whole, status="failed", reason=why)
    return dataclasses.replace(whole, ended=long, short_steps=fewer, short_ended=short)


def _run(peer: Peer, folder: pathlib.Path, task: Task, timeout: float, progress: Progress) -> PeerRound:
    """Run a process of a peer to the end of its steps, check each loss as it comes, and its weights."""
    written = WrittenWeights(folder / peer.cwd / peer.weights)
    printed = Printed(peer, task.losses)
    try:
        program = Program(peer, folder, task)
    except (OSError, ValueError) as error:  # the latter for a word or a name that no system takes
        return printed.ended("failed", f"cannot start {peer.command[0]!r}: {getattr(error, 'strerror', error)}")
    deadline = time.monotonic() + timeout
    try:
        while (done := len(printed.losses)) < task.steps:
            try:
                line = program.line(deadline)
            except queue.Empty:
                how = f"no loss for {timeout:.0f} s after {done} of {task.steps} steps"
                return printed.stuck(how, program.errors())
            if line is None:
                why = program.ending(timeout)
                if not why and peer.silent:
                    break
                how = f"ended after {done} of {task.steps} steps ({why or 'exit status 0'})"
                return printed.stuck(how, program.errors())
            if wrong := printed.take(*line):
                return wrong
            if len(printed.losses) > done:
                deadline = time.monotonic() + timeout
                progress.advance(f"{peer.name}, step {done + 1}")
        if task.losses is not None and printed.losses and digits_of(printed.losses)[0] < FEWEST_DIGITS:
            few = f"losses such as {shortened(printed.losses[0], 30)} prove nothing: print at least {FEWEST_DIGITS} digits behind the point"
            return printed.ended("failed", few)
        if not peer.told_steps:
            return printed.ended("ok")
        if why := program.ending(timeout):
            return printed.ended("failed", f"after its last step: {why}")
        ended = printed.ended("ok", seconds=program.seconds())
        return ended if task.weights is None else _judged(ended, written, task.weights, peer)
    finally:
        program.stop()


def _judged(ended: PeerRound, written: WrittenWeights, expected: Weights, peer: Peer) -> PeerRound:
    """What is kept of a program that ended well, by its final weights."""
    try:
        off = written.difference(expected)
    except ValueError as error:
        return dataclasses.replace(ended, status="failed", reason=one_line(error, 300))
    if off > peer.tolerance:
        why = f"final weights off by {off:.1e}, more than {peer.tolerance:g}"
        status: Literal["ok", "diverged"] = "ok" if peer.proof == "differs" else "diverged"
        return dataclasses.replace(ended, status=status, reason=ended.reason or why, weights_off=off)
    return dataclasses.replace(ended, weights_off=off)
