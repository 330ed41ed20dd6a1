"""One peer's process: run as it is, its output stamped with the clock as it arrives, each loss checked at once."""

from __future__ import annotations

import contextlib
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
from bench.host.measure.worker_process import signal_name
from bench.host.results.peers import Peer, PeerRound
from bench.host.results.printed_losses import FEWEST_DIGITS, agrees, digits_of
from bench.host.system import processes
from bench.host.system.progress import Progress

LONGEST = 4096  # bytes: of a line that does not end, no more is kept than could be one with a loss

_numbers = itertools.count(1)


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
        self._mark = processes.below(next(_numbers))
        self.started = time.monotonic()
        try:
            self._process = subprocess.Popen(
                words[0] if peer.shell else words,
                shell=peer.shell,
                cwd=folder / peer.cwd,
                env={
                    **os.environ,
                    **{name: fill(value) for name, value in peer.env.items()},
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
        said = self.errors()
        how = f"killed by {signal_name(-status)}" if status < 0 else f"exit status {status}"
        return f"{how}: {one_line(said[-1], 200)}" if said else how

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


def run_once(
    peer: Peer,
    folder: pathlib.Path,
    steps: int,
    data: pathlib.Path,
    expected: Sequence[float],
    timeout: float,
    progress: Progress,
) -> PeerRound:
    """Run a peer to the end of its steps and check each loss as it comes. ``folder``: its file's."""
    printed = Printed(peer, expected)
    try:
        program = Program(peer, folder, steps, data)
    except (OSError, ValueError) as error:  # the latter for a word or a name that no system takes
        return printed.ended("failed", f"cannot start {peer.command[0]!r}: {getattr(error, 'strerror', error)}")
    deadline = time.monotonic() + timeout
    try:
        while (done := len(printed.losses)) < steps:
            try:
                line = program.line(deadline)
            except queue.Empty:
                how = f"no loss for {timeout:.0f} s after {done} of {steps} steps"
                return printed.stuck(how, program.errors())
            if line is None:
                how = f"ended after {done} of {steps} steps ({program.ending(timeout) or 'exit status 0'})"
                return printed.stuck(how, program.errors())
            if wrong := printed.take(*line):
                return wrong
            if len(printed.losses) > done:
                deadline = time.monotonic() + timeout
                progress.advance(f"{peer.name}, step {done + 1}")
        if digits_of(printed.losses)[0] < FEWEST_DIGITS:
            few = f"losses such as {shortened(printed.losses[0], 30)} prove nothing: print at least {FEWEST_DIGITS} digits behind the point"
            return printed.ended("failed", few)
        if peer.told_steps and (why := program.ending(timeout)):
            return printed.ended("failed", f"after its last step: {why}")
        return printed.ended("ok")
    finally:
        program.stop()


class Printed:
    """The losses that a peer has printed so far, each checked against the ``expected`` one, and when they arrived."""

    def __init__(self, peer: Peer, expected: Sequence[float]) -> None:
        self.pattern, self.expected = re.compile(peer.pattern), expected
        self.losses: list[str] = []
        self.arrived: list[float] = []
        self.passed_over = ""  # what was printed since the last loss and has none, as the pattern sees it

    def take(self, when: float, line: str) -> PeerRound | None:
        """Take a line in; how the peer has ended, where the line is wrong."""
        match = self.pattern.search(line)
        if match is None:
            self.passed_over = telling(self.passed_over, line)
            return None
        step, loss = match.groupdict().get("step"), match["loss"] or ""
        if step is not None and number(step) != len(self.losses) + 1:
            if self.losses and number(step) == len(self.losses):
                return None  # a line drawn again
            return self.ended(
                "failed", f"garbled: step {step[:30]} where {len(self.losses) + 1} belongs: {quoted(line)}"
            )
        expected = self.expected[len(self.losses)]
        try:
            same = agrees(loss, expected)
        except ValueError:
            return self.ended("failed", f"garbled: {quoted(loss, 30)} is no loss: {quoted(line)}")
        self.losses.append(loss)
        self.arrived.append(round(when, 6))
        self.passed_over = ""
        if same:
            return None
        why = f"step {len(self.losses)} printed {shortened(loss, 30)} where {expected:.6f} belongs"
        return self.ended("diverged", why)

    def ended(self, status: Literal["ok", "failed", "diverged"], reason: str = "") -> PeerRound:
        """What is kept of it."""
        return PeerRound(status, reason, self.losses, self.arrived)

    def stuck(self, how: str, errors: Sequence[str]) -> PeerRound:
        """It has failed, as nothing more with a loss came. ``errors``: its lines on standard error."""
        said = f"the pattern finds no loss in {quoted(self.passed_over)}" if self.passed_over else ""
        if not said and self.losses:
            said = "nothing more was printed"
        elif not said:
            said = "nothing was printed to standard output"
            if errors:  # where some programs print their losses
                said += f", but {quoted(errors[-1])} to standard error"
        return self.ended("failed", f"{how}: {said}")


def telling(before: str, line: str) -> str:
    """Of two lines without a loss the one that tells more of why the pattern finds none: one that speaks of a loss, or the later."""
    speaks = "loss" in line.lower() or "loss" not in before.lower()
    return line if line.strip() and speaks else before


def shortened(text: str, length: int) -> str:
    """At most so many characters, and a sign that there were more."""
    return text if len(text) <= length else f"{text[:length]}…"


def quoted(text: str, length: int = 60) -> str:
    """A program's words in a line of ours: shortened, and nothing in them that a terminal would obey."""
    return repr(shortened(text.strip(), length))


def number(step: str) -> int:
    """A printed step; −1 for what is none."""
    return int(step) if re.fullmatch(r"\d{1,18}", step, re.ASCII) else -1
