"""One peer's process: run as it is, its output stamped with the clock as it arrives, each loss checked at once."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import pathlib
import queue
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from typing import Literal

from bench.host.lockstep import Progress
from bench.host.peer_file import Peer

LONGEST = 4096  # bytes: of a line that does not end, no more is kept than could be one with a loss
TIE = 1e-9  # a loss this near to the middle between two printed numbers may be printed as either


@dataclasses.dataclass(frozen=True)
class PeerRound:
    """A peer's process in one round: ``losses`` as printed; ``arrived``: seconds from its start to each of their lines."""

    status: Literal["ok", "failed", "diverged"]
    reason: str
    losses: list[str]
    arrived: list[float]


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
        except (OSError, ValueError):
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
            rest = rest[-LONGEST:]
        if rest:
            self._lines.put((now, rest.decode(errors="replace")))
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
    except (OSError, ValueError) as error:  # the latter for a word or a name that no system takes
        return ended("failed", f"cannot start {peer.command[0]!r}: {getattr(error, 'strerror', error)}")
    pattern = re.compile(peer.pattern)
    deadline = time.monotonic() + timeout
    try:
        while len(losses) < steps:
            try:
                found = program.line(deadline)
            except queue.Empty:
                return ended("failed", f"no loss for {timeout:.0f} s after {len(losses)} of {steps} steps")
            if found is None:
                why = program.ending(timeout) or "exit status 0"
                return ended("failed", f"ended after {len(losses)} of {steps} steps ({why})")
            when, line = found
            match = pattern.search(line)
            if match is None:
                continue
            step, loss = match.groupdict().get("step"), match["loss"] or ""
            if step is not None and number(step) != len(losses) + 1:
                if losses and number(step) == len(losses):
                    continue  # a line drawn again
                return ended("failed", f"garbled: step {step[:30]} where {len(losses) + 1} belongs: {line[:60]!r}")
            expected = truth[len(losses)]
            try:
                same = agrees(loss, expected)
            except (ValueError, OverflowError):
                return ended("failed", f"garbled: {loss[:30]!r} is no loss: {line[:60]!r}")
            losses.append(loss)
            arrived.append(round(when, 6))
            deadline = time.monotonic() + timeout
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


def number(step: str) -> int:
    """A printed step; −1 for what is none."""
    try:
        return int(step)
    except ValueError:
        return -1


def agrees(printed: str, expected: float) -> bool:
    """Whether a printed loss is this one, to the digits printed. Raises ValueError where it is no number."""
    value = float(printed)
    return math.isfinite(value) and abs(value - expected) <= 0.5 * 10.0 ** -decimals(printed) + TIE


def decimals(printed: str) -> int:
    """How many digits behind the point a printed number has: 4 for 3.2326, as for 3.23e-2."""
    mantissa, _, exponent = printed.lower().partition("e")
    return len(mantissa.partition(".")[2]) - int(exponent or 0)
