"""How every command ends: its exit status, one line about what went wrong, and output that may be gone.

Standard library only, so that a fault while the rest is imported ends in the same way.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from typing import TextIO, cast

from bench.cli import signals

# exit statuses; docs/gate.md says what they mean. INTERNAL is EX_SOFTWARE of sysexits.h
OK, FOUND, USAGE, UNDECIDED, INTERNAL, INTERRUPTED = 0, 1, 2, 3, 70, 130
LONGEST_LINE = 2000  # characters of what is said of an error


def run(command: Callable[[], int]) -> None:
    """Do the command, which gives its exit status, and end this process with it. What it raises is a fault of ours."""
    _open_closed_streams()
    with _streams() as (out, errors), signals.as_interrupts() as received:
        try:
            status = command()
            out.flush()
        except KeyboardInterrupt:
            status = INTERRUPTED
        except SystemExit:
            raise
        except BaseException as error:  # libraries in Rust raise panics that are no Exception
            status = _fault(error)
        if received:  # as a shell says it of a process that the signal itself ended
            say(f"ended by {received[0].name}")
            status = 128 + received[0]
        if out.failed is not None and status == OK:
            status = say(f"standard output cannot be written ({out.failed.strerror}): the output is incomplete")
        errors.flush()
    sys.exit(status)


def say(line: str) -> int:
    """Print one line about bad input, whatever is in it; its exit status."""
    shown = "".join(c if c.isprintable() else " " if c == "\n" else c.encode("unicode_escape").decode() for c in line)
    cut = shown if len(shown) <= LONGEST_LINE else f"{shown[:LONGEST_LINE]}…"
    print(f"microgpt-bench: {cut}", file=sys.stderr)
    _tell_workflow(cut)
    return USAGE


def _tell_workflow(line: str) -> None:
    """Where this is a step of a workflow, say it where its reader looks: beside the step, and in its summary.

    https://docs.github.com/actions/reference/workflow-commands-for-github-actions#setting-an-error-message
    """
    if os.environ.get("GITHUB_ACTIONS") == "true":
        escaped = line.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
        print(f"::error title=microgpt-bench::{escaped}", file=sys.stderr)  # read from both streams
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with contextlib.suppress(OSError):
            append(
                summary, f"### microgpt-bench ended with an error\n\n    {line}\n\n"
            )  # indented: none of it is markup


def append_step_summary(markdown: str) -> str:
    """Append to the file that a workflow step's summary is read from, where there is one; a line where that fails.

    https://docs.github.com/actions/reference/workflow-commands-for-github-actions#adding-a-job-summary
    """
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if path:
        try:
            append(path, markdown + "\n")
        except OSError as error:  # the verdict stands without it
            return f"the table is not in the step's summary: cannot write {path}: {error.strerror}"
    return ""


def append(path: str, text: str) -> None:
    """Append to a file, or write to a pipe what it takes without waiting. Raises OSError."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NONBLOCK", 0)
    with open(os.open(path, flags, 0o666), "ab") as file:
        file.write(text.encode(errors="replace"))


# --------------------------------------------------------------------- output


class Output(io.TextIOBase):
    """A standard stream that takes every character, and whose reader may leave: then the rest is thrown away.

    Work never ends because of what is printed about it. ``failed``: why something could not be written, other than
    that nobody reads it.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream, self.gone, self.failed = stream, False, cast("OSError | None", None)
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Of the stream."""
        return self.stream.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        """Of the stream."""
        return self.stream.errors

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self.stream.isatty()

    def fileno(self) -> int:
        """Of the stream."""
        return self.stream.fileno()

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, text: str) -> int:
        """All of the text, if there is still somebody to read it."""
        with self._leaving():
            self.stream.write(text)
        return len(text)

    def write_bytes(self, content: bytes) -> None:
        """A file's content, which has an encoding of its own."""
        with self._leaving():
            self.stream.flush()
            self.stream.buffer.write(content)
            self.stream.buffer.flush()

    def flush(self) -> None:
        """As for any stream."""
        with self._leaving():
            self.stream.flush()

    @contextlib.contextmanager
    def _leaving(self) -> Iterator[None]:
        if self.gone:
            with contextlib.suppress(Exception):
                yield
            return
        try:
            yield
        except OSError as error:
            self.gone = True
            if not isinstance(error, ConnectionError):  # BrokenPipeError is one
                self.failed = error
            # what is still in buffers is written at the end of the process at the latest, and must go somewhere
            with contextlib.suppress(OSError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self.stream.fileno())
                os.close(nowhere)


@contextlib.contextmanager
def _streams() -> Iterator[tuple[Output, Output]]:
    """Standard output and error as Output, until the end of this context."""
    before = sys.stdout, sys.stderr
    out, errors = Output(before[0]), Output(before[1])
    sys.stdout, sys.stderr = cast(TextIO, out), cast(TextIO, errors)
    try:
        yield out, errors
    finally:
        sys.stdout, sys.stderr = before


def _open_closed_streams() -> None:
    """A standard stream that was closed when we were started, as by ``>&-``, becomes the null device.

    Otherwise the next file opened would have its number, and take what is meant for the stream.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, os.O_RDWR)  # has the lowest number that is free
            if opened == number:
                os.set_inheritable(opened, True)
            setattr(sys, name, open(opened, "w" if number else "r", encoding="utf-8", closefd=opened != number))  # noqa: SIM115


# --------------------------------------------------------------------- our own faults


def _fault(error: BaseException) -> int:
    """Say that it is a fault of ours and where its traceback is."""
    text = "".join(traceback.format_exception(error))
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    line = f"this is an error of microgpt-bench itself, not of what was measured ({what:.300})"
    path = _kept(text)
    if path is None:
        print(text, file=sys.stderr, end="")
        say(f"{line}: report it with the lines above")
    else:
        say(f"{line}: report it with {path}")
    return INTERNAL


def _kept(text: str) -> str | None:
    """The file that holds the traceback and what it takes to understand it; None where none can be written."""
    about = f"{' '.join(map(ascii, sys.argv))}\nPython {sys.version}\n{sys.platform}\n\n{text}"
    for folder in (None, ".", os.path.expanduser("~")):
        with contextlib.suppress(OSError):
            number, path = tempfile.mkstemp(".txt", "microgpt-bench-error-", folder)
            with open(number, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(about)
            return os.path.abspath(path)
    return None
