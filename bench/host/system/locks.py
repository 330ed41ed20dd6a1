"""A lock on a folder that one process at a time may write into, given up by the system when that process dies.

It is the operating system's lock on a file in the folder, which names the process. The file goes when the lock is given
up; of a process that was killed it stays, unlocked, and does no harm. On file systems without such locks the file stands
for the lock as long as the process that it names lives, which leaves a moment in which two could take it at once.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pathlib
import sys

import psutil

NAME = ".lock"
FAR = 1 << 30  # where Windows locks a byte: what is locked there can't be read, and the process's number should be
SAME_START = 5.0  # seconds: two readings of when a process started may differ by what the clock was set by


class Busy(Exception):
    """Another process has the lock; ``pid`` is its number, None where it does not say yet."""

    def __init__(self, pid: int | None) -> None:
        super().__init__(f"process {pid}" if pid else "another process")
        self.pid = pid


class Lock:
    """A lock that is held, from the moment that this is made until ``release``."""

    def __init__(self, folder: pathlib.Path) -> None:
        """Raises Busy, and OSError where the file cannot be made."""
        self.path = folder / NAME
        while True:
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                if not _lock(self._descriptor):
                    raise Busy(_owner(self._descriptor)[0])
                if self._is_at_its_path():
                    os.ftruncate(self._descriptor, 0)
                    os.lseek(self._descriptor, 0, os.SEEK_SET)
                    os.write(self._descriptor, f"{os.getpid()} {_started(os.getpid())}\n".encode())
                    return
            except BaseException:
                os.close(self._descriptor)
                raise
            os.close(self._descriptor)  # who had it before gave it up and took the file along: once more

    def _is_at_its_path(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._descriptor), os.stat(self.path))
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Give it up and remove the file."""
        with contextlib.suppress(OSError):
            if self._is_at_its_path():
                os.unlink(self.path)
        os.close(self._descriptor)


def _lock(descriptor: int) -> bool:
    """Take the system's lock, or where there is none rely on what the file says; False if another process has it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, FAR, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK):
            return False
    pid, started = _owner(descriptor)
    return pid is None or not _lives(pid, started)


def _owner(descriptor: int) -> tuple[int | None, float]:
    """The process that the file names, and when that started; None where it names none."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    words = os.read(descriptor, 100).split()
    try:
        return int(words[0]), float(words[1])
    except (IndexError, ValueError):
        return None, 0.0


def _started(pid: int) -> float:
    try:
        return float(psutil.Process(pid).create_time())
    except Exception:  # a system that tells nothing of its processes
        return 0.0


def _lives(pid: int, started: float) -> bool:
    if not psutil.pid_exists(pid):
        return False
    now = _started(pid)
    return not now or not started or abs(now - started) < SAME_START
