"""How far a run is: a live bar with the time left on a terminal, plain lines elsewhere. Both on standard error."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

PLAIN_SECONDS = 10  # between two plain lines


class RunProgress:
    """Counts orders against their expected number, None where nobody can know it. A context manager."""

    def __init__(self, total: int | None, console: Console | None = None) -> None:
        self.total, self.done = total, 0
        self.console = console or Console(stderr=True, highlight=False)
        self.started = self.last_line = time.monotonic()
        self.bar = Progress(
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
        self.task = self.bar.add_task("starting", total=total)

    def __enter__(self) -> RunProgress:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.bar.stop()

    def advance(self, doing: str) -> None:
        """One order was given; ``doing`` says which."""
        self.done += 1
        if self.console.is_terminal:
            self.bar.update(self.task, advance=1, description=doing)
            return
        now = time.monotonic()
        if now - self.last_line >= PLAIN_SECONDS:
            self.last_line = now
            line = f"{self.done} orders, {now - self.started:.0f} s so far"
            if self.total is not None:
                left = (now - self.started) / self.done * max(0, self.total - self.done)
                line = f"{self.done}/{self.total} orders, {now - self.started:.0f} s so far, about {left:.0f} s left"
            self.console.print(line, soft_wrap=True)

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        self.console.print(line, markup=False, soft_wrap=True)
