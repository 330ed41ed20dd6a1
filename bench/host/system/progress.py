"""How far a run is: a live bar with the time left on a terminal, plain lines elsewhere. Both on standard error."""

from __future__ import annotations

import math
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from bench.host.system.deadline import Deadline

if TYPE_CHECKING:
    from rich.console import Console


class Progress(Protocol):
    """Where the measuring tells how far it is."""

    def advance(self, doing: str) -> None:
        """One order was carried out."""

    def say(self, line: str) -> None:
        """Something the user should read at once."""


def count(number: int, noun: str) -> str:
    """The number with its noun: "1 cell", "2 cells"."""
    return f"{number} {noun}{'s' * (number != 1)}"


PREPARING = "preparing sources, interpreters and data"
PLAIN_SECONDS = 10.0  # between two plain lines


class RunProgress:
    """Counts orders against their expected number, None where nobody can know it. A context manager.

    ``total``: how many there are at most; those that at the pace so far come after the ``deadline`` are not expected. The
    plain lines come from a thread of their own, so that they come while one order takes long, too.
    """

    def __init__(
        self,
        total: int | None,
        console: Console | None = None,
        doing: str = "starting",
        unit: str = "orders",
        deadline: Deadline | None = None,
    ) -> None:
        from rich import console as rich_console  # here: commands that only read have no use for them
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self.unit, self.deadline = unit, deadline or Deadline()
        self.total, self.done, self.doing = total, 0, doing
        self.console = console or rich_console.Console(stderr=True, highlight=False)
        self.started = time.monotonic()
        self.bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
            transient=True,
        )
        self.task = self.bar.add_task(self.doing, total=total)
        self.ended = threading.Event()
        self.teller = threading.Thread(target=self._tell, daemon=True)

    def __enter__(self) -> RunProgress:
        self.bar.start()
        if not self.console.is_terminal:
            self.teller.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.bar.stop()
        self.ended.set()
        if self.teller.is_alive():
            self.teller.join()

    @property
    def expected(self) -> int | None:
        """How many orders there will have been at the end, by the pace so far."""
        if self.total is None or not self.done or math.isinf(self.deadline.left):
            return self.total
        pace = self.done / max(1e-9, time.monotonic() - self.started)
        return max(self.done, min(self.total, self.done + round(pace * self.deadline.left)))

    def advance(self, doing: str) -> None:
        """One order was given; ``doing`` says which."""
        self.done, self.doing = self.done + 1, doing
        self.bar.update(self.task, advance=1, description=doing, total=self.expected)

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        self.console.print(line, markup=False, soft_wrap=True)

    def _tell(self) -> None:
        while not self.ended.wait(PLAIN_SECONDS):
            spent = time.monotonic() - self.started
            line = f"{self.done} {self.unit}, {spent:.0f} s so far"
            if (expected := self.expected) is not None and self.done:
                left = spent / self.done * max(0, expected - self.done)
                line = f"{self.done}/{expected} {self.unit}, {spent:.0f} s so far, about {left:.0f} s left"
            self.say(f"{line}; now {self.doing}")
