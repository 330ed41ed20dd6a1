"""One worker process: started, given orders one at a time, and ended, whatever it does."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import pathlib
import queue
import secrets
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any

import psutil

from bench.host.measure.answers import one_line, problem
from bench.host.system import processes
from bench.host.system.interpreters import Runtime, worker_environment

# An interpreter may print at its start (sitecustomize, a .pth file, a script around it): answers come after this line.
MARK = b"microgpt-bench worker"
START = (
    "import os, sys; os.write(1, b'\\nmicrogpt-bench' + b' worker\\n'); sys.path[0] = sys.argv[1];"
    " from bench.workload.worker import main; main()"
)

LONGEST_LINE = 1 << 28  # bytes: the weights of the largest model fit
LOOK_SECONDS = 1.0  # between two looks whether a silent worker lives
ENDING_SECONDS = 10  # that a worker takes to end at the most, once it has said all


class WorkerFailed(Exception):
    """The worker died, hung, garbled its answer or reported an error; the message is one line."""


class NoAnswer(WorkerFailed):
    """The worker was silent for too long."""


class EngineUnavailable(Exception):
    """The engine cannot run in this interpreter; the message says why and how to get what it lacks."""


_numbers = itertools.count(1)


class WorkerProcess:
    """A worker running the workload side of ``source`` (a folder with bench/ and engines/) on one runtime."""

    def __init__(
        self,
        runtime: Runtime,
        source: str,
        arguments: tuple[str, ...] = (),
        affinity: Sequence[int] | None = None,
    ) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed in stop)
        self._mark = processes.below(next(_numbers))
        # what an engine keeps on disk ends with its worker
        self._temporary = tempfile.mkdtemp(prefix="worker-", dir=_workspace())
        # a session of its own: Ctrl-C reaches the host only, which then ends its workers
        self._process = subprocess.Popen(
            [*arguments, runtime.executable, "-s", "-B", "-c", START, source],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={
                **worker_environment(runtime.environment),
                processes.MARKER: self._mark,
                "TMPDIR": self._temporary,
            },
            cwd=source,
            start_new_session=True,
        )
        # WebAssembly's compiler has threads of its own; what it compiles runs in the first one
        self._threads = str(self._process.pid) if runtime.described.get("machine") == "wasm32" else "*"
        if affinity is not None:
            with contextlib.suppress(psutil.Error, OSError):  # the worker says itself where it runs
                if hasattr(os, "sched_setaffinity"):
                    os.sched_setaffinity(self._process.pid, affinity)
                else:
                    psutil.Process(self._process.pid).cpu_affinity(list(affinity))
        self._answers: queue.Queue[bytes] = queue.Queue(maxsize=1_000)
        worker = pathlib.Path(source, "bench", "workload", "worker.py")
        # an older revision's answers do not say which order they belong to
        self._says_id = worker.is_file() and b"\nPROTOCOL = 2" in worker.read_bytes()
        self._printed = b""  # the last line before the mark
        # a thread that sleeps in readline() is the portable way to wait for a pipe with a time limit
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in iter(lambda: lines.readline(LONGEST_LINE), b""):
                if line.strip() == MARK:
                    break
                self._printed = line if line.strip() else self._printed
            for line in iter(lambda: lines.readline(LONGEST_LINE), b""):
                self._answers.put(line)
        self._answers.put(b"")

    def ask(self, timeout: float, **order: Any) -> dict[str, Any]:
        """Give one order and wait at most ``timeout`` seconds for its answer. Raises WorkerFailed, EngineUnavailable."""
        assert self._process.stdin is not None
        self._check_silence()
        # nobody can know an answer's id beforehand, not an engine either that writes into the answers' pipe
        id = secrets.token_hex(8)
        try:
            self._process.stdin.write(json.dumps({**order, "id": id} if self._says_id else order).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            pass  # it died: its end is read below
        answer = self._read_answer(timeout, id, order["do"])
        if "unavailable" in answer:
            raise EngineUnavailable(one_line(answer["unavailable"]))
        if "error" in answer:
            raise WorkerFailed(one_line(answer["error"]))
        if wrong := problem(answer):
            raise WorkerFailed(wrong)
        return answer

    def _check_silence(self) -> None:
        """Raises WorkerFailed for a worker that said something since its last answer."""
        while not self._answers.empty():
            line = self._answers.get_nowait()
            if not line:  # its end, which is for the next answer's reader
                self._answers.put(line)
                return
            if line.strip():
                raise WorkerFailed(f"it wrote {one_line(line.decode(errors='replace'), 60)!r} among its answers")

    def _read_answer(self, timeout: float, id: str, doing: str) -> dict[str, Any]:
        """The answer that carries the order's id."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                line = self._answers.get(timeout=min(LOOK_SECONDS, max(0.0, deadline - time.monotonic())))
            except queue.Empty:
                if self._process.poll() is not None and self._answers.empty():  # a child may hold the pipe open
                    raise WorkerFailed(self._why_it_died()) from None
                if time.monotonic() < deadline:
                    continue
                raise NoAnswer(f"no answer within {timeout:.0f} s ({doing})") from None
            if not line:
                raise WorkerFailed(self._why_it_died())
            if not line.strip():
                continue
            try:
                answer = json.loads(line)
            except (ValueError, RecursionError):
                answer = None
            if isinstance(answer, dict) and (not self._says_id or answer.pop("id", None) == id):
                return answer
            raise WorkerFailed(f"garbled answer: {one_line(line.decode(errors='replace'), 60)!r}")

    def children(self) -> list[str]:
        """Names of the processes that it started and that live."""
        if not processes.may_have_children(self._process.pid):
            return []
        with contextlib.suppress(psutil.Error):
            children = psutil.Process(self._process.pid).children(recursive=True)
            # one that is dead and was not waited for, too: its time is counted only then
            return [child.name() for child in children]
        return []

    def processor_seconds(self) -> float:
        """What it has computed so far, all its threads that live, as the system says; 0 for a dead one."""
        with contextlib.suppress(OSError, ValueError, IndexError):  # Linux: to the nanosecond
            told = list(pathlib.Path(f"/proc/{self._process.pid}/task").glob(f"{self._threads}/schedstat"))
            if told:
                return sum(int(path.read_text().split()[0]) for path in told) * 1e-9
        with contextlib.suppress(psutil.Error):  # to a hundredth of a second
            times = psutil.Process(self._process.pid).cpu_times()
            return float(times.user + times.system)
        return 0.0

    def _why_it_died(self) -> str:
        try:
            status = self._process.wait(timeout=ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            return "it closed the pipe that its answers go through"
        self._errors.seek(0)
        printed = f"no message, and it printed {self._printed[:80].decode(errors='replace').strip()!r}"
        nothing = printed if self._printed else "no message"
        last = (self._errors.read().decode(errors="replace").strip().splitlines() or [nothing])[-1]
        if status < 0:
            return f"killed by {signal_name(-status)}"
        return f"exit status {status}: {one_line(last)}"

    def stop(self) -> None:
        """End the process and all that it started."""
        stop_all([self])

    def _close(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # an order may still be in its buffer
            self._process.stdin.close()
        self._errors.close()
        shutil.rmtree(self._temporary, ignore_errors=True)


def _workspace() -> str | None:
    """The folder of the command under way, where there is one."""
    folder = os.environ.get(processes.MARKER, "")
    return folder if os.path.isdir(folder) else None


def stop_all(workers: Iterable[WorkerProcess]) -> None:
    """End workers and all that they started, dead or alive as they may be."""
    stopping = [worker for worker in workers if not worker._errors.closed]
    if not stopping:
        return
    alive = [worker._process.pid for worker in stopping if worker._process.poll() is None]
    processes.end_marked([worker._mark for worker in stopping], alive)
    for worker in stopping:
        processes.end(worker._process)
        worker._close()


def left_behind(workers: Iterable[WorkerProcess]) -> list[WorkerProcess]:
    """Those that started a process which lives and is their child no more, or never was."""
    by_mark = {worker._mark: worker for worker in workers}
    hidden = processes.others({mark: worker._process.pid for mark, worker in by_mark.items()})
    return [by_mark[mark] for mark in hidden]


def signal_name(number: int) -> str:
    """SIGKILL for 9; real-time signals have no names of their own."""
    known = {one.value: one.name for one in signal.Signals}
    return known.get(number, f"signal {number}")
