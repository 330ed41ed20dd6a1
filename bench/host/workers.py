"""One worker process: started, given orders one at a time, and ended, whatever it does."""

from __future__ import annotations

import contextlib
import itertools
import json
import queue
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Sequence
from typing import Any

import psutil

from bench.host import processes
from bench.host.interpreters import Runtime, worker_environment

# An interpreter may print at its start (sitecustomize, a .pth file, a script around it): answers come after this line.
MARK = b"microgpt-bench worker"
START = (
    "import os, sys; os.write(1, b'\\nmicrogpt-bench' + b' worker\\n'); sys.path[0] = sys.argv[1];"
    " from bench.workload.worker import main; main()"
)


class WorkerFailed(Exception):
    """The worker died, hung, garbled its answer or reported an error; the message is one line."""


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
        # a session of its own: Ctrl-C reaches the host only, which then ends its workers
        self._process = subprocess.Popen(
            [*arguments, runtime.executable, "-s", "-c", START, source],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**worker_environment(runtime.environment), processes.MARKER: self._mark},
            cwd=source,
            start_new_session=True,
        )
        if affinity is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                psutil.Process(self._process.pid).cpu_affinity(list(affinity))
        self._answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._printed = b""  # the last line before the mark
        # a thread that sleeps in readline() is the portable way to wait for a pipe with a time limit
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                if line.strip() == MARK:
                    break
                self._printed = line if line.strip() else self._printed
            for line in lines:
                self._answers.put(line)
        self._answers.put(b"")

    def ask(self, timeout: float, **order: Any) -> dict[str, Any]:
        """Give one order and wait at most ``timeout`` seconds for its answer. Raises WorkerFailed."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            pass  # it died: its end is read below
        try:
            line = self._answers.get(timeout=timeout)
        except queue.Empty:
            raise WorkerFailed(f"no answer within {timeout:.0f} s ({order['do']})") from None
        if not line:
            raise WorkerFailed(self._why_it_died())
        try:
            answer = json.loads(line)
        except ValueError:
            raise WorkerFailed(f"garbled answer: {line[:60]!r}") from None
        if "unavailable" in answer:
            raise EngineUnavailable(answer["unavailable"])
        if "error" in answer:
            raise WorkerFailed(answer["error"])
        return dict(answer)

    def _why_it_died(self) -> str:
        status = self._process.wait()
        self._errors.seek(0)
        printed = f"no message, and it printed {self._printed[:80].decode(errors='replace').strip()!r}"
        nothing = printed if self._printed else "no message"
        last = (self._errors.read().decode(errors="replace").strip().splitlines() or [nothing])[-1]
        if status < 0:
            return f"killed by {signal.Signals(-status).name}"
        return f"exit status {status}: {last}"

    def stop(self) -> None:
        """End the process and all that it started."""
        stop_all([self])

    def _close(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # an order may still be in its buffer
            self._process.stdin.close()
        self._errors.close()


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
