"""Where a command that measures keeps its copies of sources and documents: a temporary folder that nobody else's run uses.

However the command ends, so do the processes that it started, and the folder goes. Of one that was killed the folder
stays, no longer locked, and perhaps processes do: the next command that measures clears both away.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import stat
import tempfile
from types import TracebackType
from typing import Self

import psutil

from bench.host.system import locks, processes
from bench.host.system.errors import UsageError

PREFIX = "microgpt-bench-"
DATA = f"{PREFIX}data-"  # then the process's number: a file of what was read from standard input


class Workspace:
    """A context manager: the folder, the locks on what is written into, and the mark on all processes started meanwhile."""

    def __enter__(self) -> Self:
        sweep()
        self._stack = contextlib.ExitStack()
        with contextlib.ExitStack() as until_done:
            self.folder = self._make(until_done)
            before = os.environ.get(processes.MARKER)
            until_done.callback(_set_variable, before)
            until_done.callback(processes.end_marked, [str(self.folder)])
            _set_variable(str(self.folder))
            self._stack = until_done.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._stack.close()

    def _make(self, stack: contextlib.ExitStack) -> pathlib.Path:
        while True:
            folder = pathlib.Path(tempfile.mkdtemp(prefix=PREFIX))
            with contextlib.suppress(locks.Busy):  # another process sweeps it away before it is locked
                stack.callback(locks.Lock(folder).release)
                stack.callback(shutil.rmtree, folder, ignore_errors=True)
                return folder

    def lock(self, folder: pathlib.Path) -> None:
        """Keep other processes from writing into a run's folder until this workspace ends.

        Raises UsageError where one is doing so, or nobody can.
        """
        try:
            self._stack.callback(locks.Lock(folder).release)
        except locks.Busy as busy:
            raise UsageError(f"{folder} is being measured by {busy}: wait until that is done, or end it") from None
        except FileNotFoundError:
            raise UsageError(f"{folder} is not a run: it has no run.json") from None
        except OSError as error:
            raise UsageError(f"cannot write to {folder}: {error.strerror}") from None


def sweep() -> None:
    """Remove what dead processes left in the folder of temporary files, and end what they started."""
    _sweep_data()
    with contextlib.suppress(OSError):
        for folder in pathlib.Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
            with contextlib.suppress(OSError, locks.Busy):
                about = folder.lstat()
                if not stat.S_ISDIR(about.st_mode) or (hasattr(os, "getuid") and about.st_uid != os.getuid()):
                    continue
                if not (folder / locks.NAME).is_file():  # being made right now, or not by a version that locks it
                    continue
                lock = locks.Lock(folder)
                processes.end_marked([str(folder)])
                shutil.rmtree(folder, ignore_errors=True)
                lock.release()


def _sweep_data() -> None:
    """Remove what dead processes kept of their standard input."""
    for file in pathlib.Path(tempfile.gettempdir()).glob(f"{DATA}*"):
        with contextlib.suppress(Exception):  # others' files have other names, and a system may not tell who lives
            pid, about = int(file.name.removeprefix(DATA).partition("-")[0]), file.lstat()
            mine = not hasattr(os, "getuid") or about.st_uid == os.getuid()
            if mine and stat.S_ISREG(about.st_mode) and not psutil.pid_exists(pid):
                file.unlink()


def _set_variable(value: str | None) -> None:
    """What processes started from now on inherit as their mark."""
    if value is None:
        os.environ.pop(processes.MARKER, None)
    else:
        os.environ[processes.MARKER] = value
