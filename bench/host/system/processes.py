"""Ending a process together with all that it started, in sessions of their own or not.

Whatever a run starts inherits an environment variable that names the run's workspace, and below a worker also that
worker: MICROGPT_BENCH_RUN=/tmp/microgpt-bench-1a2b3c4d or …/000017. What a process started is found by it, also when the
process itself is dead. One that empties its environment is found as long as its parent lives, or it is in its session.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import subprocess
from collections.abc import Iterable, Mapping

import psutil

MARKER = "MICROGPT_BENCH_RUN"
PASSES = 10  # a process may be starting another one while it is ended


def below(number: int) -> str:
    """A mark below that of the workspace, or of this process where there is none; all are of one length."""
    return f"{os.environ.get(MARKER) or f'process-{os.getpid():07d}'}/{number:06d}"


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process that leads a session, and all that is left of the session, at once."""
    over = process.poll() is not None
    if not over or not _may_exist(process.pid):  # the number may be another one's by now
        with contextlib.suppress(OSError, AttributeError):  # none left, or Windows
            os.killpg(process.pid, signal.SIGKILL)
    if not over:
        process.kill()
        process.wait()


def _may_exist(pid: int) -> bool:
    try:
        return psutil.pid_exists(pid)
    except Exception:  # a system that tells nothing of its processes
        return True


def end_marked(marks: Iterable[str], roots: Iterable[int] = ()) -> int:
    """End all processes of this user that have one of these marks or descend from ``roots``; how many there were.

    A mark stands for those below it too, as a workspace does for its workers.
    """
    wanted, ended, roots = tuple(marks), 0, set(roots)
    for _ in range(PASSES):
        processes = _find(wanted, roots)
        for process in processes:
            with contextlib.suppress(psutil.Error, OSError):
                process.kill()
                ended += 1
        psutil.wait_procs(processes, timeout=1)
        if {process.pid for process in processes} <= roots:
            break  # they had nobody, or there was none
        roots = set()  # they are dead, and what they started has another parent now
    return ended


def _find(marks: tuple[str, ...], roots: set[int]) -> list[psutil.Process]:
    """The processes with a mark, the roots, and all that descends from either; never this process or one above it."""
    processes: dict[int, psutil.Process] = {}
    with contextlib.suppress(Exception):  # a system that tells nothing of its processes
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if (process.pid in roots or _has_mark(process, marks)) and _is_ours(process):
                    processes[process.pid] = process
        for process in list(processes.values()):
            with contextlib.suppress(psutil.Error, OSError):
                if may_have_children(process.pid):
                    alive = [one for one in process.children(recursive=True) if one.status() != psutil.STATUS_ZOMBIE]
                    processes |= {one.pid: one for one in alive}
        for pid in (os.getpid(), *(parent.pid for parent in psutil.Process().parents())) if processes else ():
            processes.pop(pid, None)
    return list(processes.values())


def may_have_children(pid: int) -> bool:
    """Whether it is worth while to look for a process's children, which takes long: on Linux they are listed."""
    try:
        listed = list(pathlib.Path(f"/proc/{pid}/task").glob("*/children"))
        return not listed or any(path.read_text() for path in listed)
    except OSError:
        return True


def others(leaders: Mapping[str, int]) -> list[str]:
    """The marks that a process has, or is in the session of, which is not the one that ``leaders`` says."""
    sessions, alive = {pid: mark for mark, pid in leaders.items()}, set()
    with contextlib.suppress(Exception):  # a system that tells nothing of its processes
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.pid in sessions or not _is_ours(process) or process.status() == psutil.STATUS_ZOMBIE:
                    continue
                said = process.environ().get(MARKER, "")
                mark = said if said in leaders else sessions.get(os.getsid(process.pid) if hasattr(os, "getsid") else 0)
                alive |= {mark} if mark is not None else set()
    return [mark for mark in leaders if mark in alive]


def _is_ours(process: psutil.Process) -> bool:
    return not hasattr(os, "getuid") or process.uids().real == os.getuid()


def _has_mark(process: psutil.Process, marks: tuple[str, ...]) -> bool:
    said = process.environ().get(MARKER, "")
    return any(said == mark or said.startswith(mark + "/") for mark in marks)
