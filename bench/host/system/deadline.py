"""How long a command may take, from its start on; where it measures several times, each has a deadline of its own."""

from __future__ import annotations

import math
import time

COMMAND_BEGAN: float | None = None  # where the process does nothing but one command: before the imports of its own
GRACE = 0.04  # of the seconds allowed, in which a round under way may still end


class OutOfTime(Exception):
    """The deadline passed while something was under way; what that was is left out."""


class Deadline:
    """``seconds`` after ``started``, a time of the monotonic clock, None: now. Without seconds there is no end."""

    def __init__(self, seconds: float | None = None, started: float | None = None) -> None:
        self.seconds = math.inf if seconds is None else seconds
        self.started = time.monotonic() if started is None else started

    @classmethod
    def of_command(cls, seconds: float | None) -> Deadline:
        """So long after the start of the command that this process was started for; for what it does next, from then on."""
        global COMMAND_BEGAN
        began, COMMAND_BEGAN = COMMAND_BEGAN, None  # a search checks one thing after the other, each with its own time
        return cls(seconds, began)

    @property
    def spent(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    @property
    def left(self) -> float:
        """Seconds until the end, 0 when it is over."""
        return max(0.0, self.seconds - self.spent)

    @property
    def over(self) -> bool:
        """Whether it has passed."""
        return self.left == 0

    def keeping(self, share: float) -> Deadline:
        """An earlier one, which keeps this share of the time for what comes after."""
        return Deadline(self.seconds * (1 - share), self.started)

    def timeout(self, seconds: float) -> float:
        """How long to wait for something that has ``seconds`` of its own. Raises OutOfTime where no time is left."""
        left = self.seconds * (1 + GRACE) - self.spent
        if left < 0.01:
            raise OutOfTime
        return min(seconds, left)

    def __str__(self) -> str:
        return f"{self.seconds:.0f} s"
