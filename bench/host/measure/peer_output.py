"""What a peer prints: its losses, each checked as it comes, and what is said of lines that have none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from bench.host.results.peers import Peer, PeerRound
from bench.host.results.printed_losses import agrees

LINES = 3  # without a loss that are quoted
STYLE = re.compile(r"\x1b\[[0-9;]*m")  # colours, which may stand around a number


class Printed:
    """The losses that a peer has printed so far, each checked against the ``expected`` one, and when they arrived.

    ``expected`` None: not checked.
    """

    def __init__(self, peer: Peer, expected: Sequence[float] | None) -> None:
        self.pattern, self.expected = re.compile(peer.pattern), expected
        self.given_start, self.tolerance = peer.given_start, peer.loss_tolerance
        self.may_differ = peer.proof == "differs"
        self.differs = ""  # where it does
        self.losses: list[str] = []
        self.arrived: list[float] = []
        self.passed_over: list[str] = []  # lines since the last loss that have none, as the pattern sees it

    def take(self, when: float, line: str) -> PeerRound | None:
        """Take a line in; how the peer has ended, where the line is wrong."""
        match = self.pattern.search(STYLE.sub("", line))
        if match is None:
            self._pass_over(line)
            return None
        step, loss = match.groupdict().get("step"), match["loss"] or ""
        if step is not None and number(step) != len(self.losses) + 1:
            if self.losses and number(step) == len(self.losses):
                return None  # a line drawn again
            return self.ended(
                "failed", f"garbled: step {step[:30]} where {len(self.losses) + 1} belongs: {quoted(line)}"
            )
        try:
            same = self.expected is None or agrees(loss, self.expected[len(self.losses)], self.tolerance)
        except ValueError:
            return self.ended("failed", f"garbled: {quoted(loss, 30)} is no loss: {quoted(line)}")
        self.losses.append(loss)
        self.arrived.append(round(when, 6))
        self.passed_over = []
        if self.expected is None or same:
            return None
        expected = self.expected[len(self.losses) - 1]
        why = f"step {len(self.losses)} printed {shortened(loss, 30)} where {expected:.6f} belongs"
        if len(self.losses) == 1 and not self.given_start:
            why += " (if its random numbers are its own, hand it {start})"
        if self.may_differ:
            self.differs, self.expected = why, None
            return None
        return self.ended("diverged", why)

    def _pass_over(self, line: str) -> None:
        """Keep a line without a loss: of many the first ones, and one that speaks of a loss."""
        if not line.strip():
            return
        if len(self.passed_over) < LINES:
            self.passed_over.append(line)
        elif "loss" in line.lower() and not any("loss" in kept.lower() for kept in self.passed_over):
            self.passed_over[-1] = line

    def ended(
        self, status: Literal["ok", "failed", "diverged"], reason: str = "", seconds: float | None = None
    ) -> PeerRound:
        """What is kept of it. ``seconds``: from its start to its end, where it ended by itself."""
        return PeerRound(
            status, reason or self.differs, self.losses, self.arrived, None if seconds is None else round(seconds, 6)
        )

    def stuck(self, how: str, errors: Sequence[str]) -> PeerRound:
        """It has failed, as nothing more with a loss came. ``errors``: its lines on standard error."""
        lines = ", ".join(map(quoted, self.passed_over))
        said = f"the pattern finds no loss in {lines}" if lines else ""
        if not said and self.losses:
            said = "nothing more was printed"
        elif not said:
            said = "nothing was printed to standard output"
            if errors:  # where some programs print their losses
                said += f", but {quoted(errors[-1])} to standard error"
        return self.ended("failed", f"{how}: {said}")


def shortened(text: str, length: int) -> str:
    """At most so many characters, and a sign that there were more."""
    return text if len(text) <= length else f"{text[:length]}…"


def quoted(text: str, length: int = 60) -> str:
    """A program's words in a line of ours: shortened, and nothing in them that a terminal would obey."""
    return repr(shortened(text.strip(), length))


def number(step: str) -> int:
    """A printed step; −1 for what is none."""
    return int(step) if re.fullmatch(r"\d{1,18}", step, re.ASCII) else -1
