"""Signals that ask a process to end are an orderly end here, as Ctrl-C is: what is done is kept, what was started is ended."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator

ASKING = [signal.Signals[name] for name in ("SIGTERM", "SIGHUP", "SIGQUIT") if hasattr(signal, name)]
_received: list[signal.Signals] = []


@contextlib.contextmanager
def as_interrupts() -> Iterator[list[signal.Signals]]:
    """In this context a signal raises KeyboardInterrupt, once, and is noted in the list; further ones change nothing."""

    def interrupt(number: int, frame: object) -> None:
        if not _received:  # one hang-up may come several times over, and must not break off the end that it began
            _received.append(signal.Signals(number))
            raise KeyboardInterrupt

    _received.clear()
    with _handled(ASKING, interrupt):
        yield _received


@contextlib.contextmanager
def wait() -> Iterator[list[int]]:
    """In this context a first signal, or Ctrl-C, is only noted, in the list, so that a step is done or not begun."""
    noted: list[int] = []

    def note(number: int, frame: object) -> None:
        if number == signal.SIGINT and noted:  # who presses Ctrl-C twice means now
            raise KeyboardInterrupt
        noted.append(number)
        if number != signal.SIGINT and not _received:
            _received.append(signal.Signals(number))

    with _handled([signal.SIGINT, *ASKING], note):
        yield noted


@contextlib.contextmanager
def _handled(numbers: list[signal.Signals], handler: object) -> Iterator[None]:
    """Handle these signals, but for those that whoever started us wants ignored, as nohup and a shell's background do."""
    before = {number: signal.getsignal(number) for number in numbers}
    here = threading.current_thread() is threading.main_thread()  # nowhere else can they be handled
    mine = [number for number, usual in before.items() if here and usual not in (signal.SIG_IGN, None)]
    try:
        for number in mine:
            signal.signal(number, handler)  # type: ignore[arg-type]
        yield
    finally:
        for number in mine:
            signal.signal(number, before[number])
