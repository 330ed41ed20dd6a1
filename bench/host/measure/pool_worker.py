"""What a pool asks of a machine, done in a Dask worker there: what it has, to keep files, to measure a round.

Each is called by its name with plain values (`bench.host.measure.pool.remote`), so that the scheduler needs no microgpt-bench. The round
itself is measured by a process of its own (`pool_round`), which ends when its standard input does: whatever becomes of the worker. It
stays for a few seconds, for the next round of the same files.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.metadata
import os
import pathlib
import pickle
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

from bench.host.measure import finding, pool_round
from bench.host.measure.order import Answer
from bench.host.results.records import RuntimeRecord
from bench.host.system import interpreters, locks, machine, workspace
from bench.host.system.errors import UsageError

POLL_SECONDS = 0.2  # between two looks whether a round is still wanted
LOCK_SECONDS = 0.05  # between two looks whether the machine is free
ENDING_SECONDS = 15.0  # that a round's process takes to end its workers
START = "import sys; sys.path.insert(0, sys.argv[1]); from bench.host.measure.pool_round import main; main()"

_kept: dict[str, bytes] = {}  # what pools sent, by digest


def survey(
    pythons: Sequence[str], switches: Sequence[str], again: Mapping[str, RuntimeRecord] | None
) -> dict[str, Any]:
    """This machine, what makes its timings noisy, the version here, and the runtimes asked for that it has; ``again``: those of a run instead, by name."""
    runtimes: list[interpreters.Runtime] = []
    missing: list[str] = []
    # one by one: a machine need not have all of them
    for name, about in again.items() if again is not None else dict.fromkeys(pythons or [""]).items():
        try:
            if about is not None:
                runtimes.append(finding.find_again(name, about))
            else:
                found, left_out = finding.find_runtimes([name] if name else [])
                runtimes, missing = runtimes + found, missing + left_out
        except UsageError as why:
            missing.append(str(why))
    if switches and runtimes and again is None:
        runtimes, more = finding.switched(runtimes, switches, bool(pythons))
        missing += more
    return {
        "version": importlib.metadata.version("microgpt-bench"),
        "machine": machine.describe(),
        "warnings": machine.warnings(),
        "runtimes": interpreters.with_distinct_names(runtimes) if again is None else runtimes,
        "missing": missing,
    }


def lacking(manifest: Mapping[str, str]) -> list[str]:
    """Digests of the files that this machine has neither installed nor kept, from their paths and digests."""
    for path, digest in manifest.items():
        own = (
            interpreters.ROOT / pathlib.PurePosixPath(path).relative_to("source")
            if path.startswith("source/")
            else None
        )
        if digest not in _kept and own is not None and own.is_file():
            content = own.read_bytes()
            if hashlib.sha256(content).hexdigest() == digest:
                _kept[digest] = content
    return [digest for digest in manifest.values() if digest not in _kept]


def keep(files: Mapping[str, bytes]) -> None:
    """Keep what was sent, by digest, as long as this worker lives."""
    _kept.update(files)


def measure(manifest: Mapping[str, str], job: Mapping[str, Any]) -> dict[str, Any]:
    """A round, as `pool_round` measures it; {} where it is no longer wanted. One at a time on this machine.

    Raises UsageError where it could not be measured.
    """
    wanted = _wanted()
    if missing := lacking(manifest):
        raise UsageError(f"it lacks {len(missing)} files that were sent")
    with _alone(wanted) as alone:
        if not alone:
            return {}
        answer = None
        while answer is None:  # one that was kept may have ended just now, idle
            process = _process(manifest)
            answer = process.ask(job, wanted)
        return {"answer": answer, "machine": machine.describe()} if answer else {}


def _process(manifest: Mapping[str, str]) -> RoundProcess:
    """That of the round before where it has the same files, or a new one."""
    global _kept_process
    before, _kept_process = _kept_process, None
    if before is not None and before.manifest == manifest and before.lives:
        return before
    if before is not None:
        before.end()
    return RoundProcess(manifest)


class RoundProcess:
    """A process that measures rounds, one after the other, from its own copy of the files."""

    def __init__(self, manifest: Mapping[str, str]) -> None:
        self.manifest, self.jobs = dict(manifest), 0
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed in end)
        self.child = subprocess.Popen(
            [sys.executable, "-c", START, str(interpreters.ROOT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            start_new_session=True,
        )
        self.answers: queue.Queue[Answer | str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self._tell({path: _kept[digest] for path, digest in manifest.items()})

    @property
    def lives(self) -> bool:
        """Whether it can take a job, as far as one can see."""
        return self.child.poll() is None

    def ask(self, job: Mapping[str, Any], wanted: Callable[[], bool]) -> Answer | Literal[False] | None:
        """Its answer; False where nobody wants it any more; None where it had ended, idle. Raises UsageError where it failed."""
        global _kept_process
        answer: Answer | Literal[False] | str | None = False
        over = False
        self._tell(job)
        self.jobs += 1
        try:
            while not over and wanted():
                with contextlib.suppress(queue.Empty):
                    answer, over = self.answers.get(timeout=POLL_SECONDS), True
        finally:
            if isinstance(answer, Answer):
                _kept_process = self
            else:
                self.end()
        if isinstance(answer, str):
            raise UsageError(f"a round could not be measured: {' '.join(answer.split()):.300}")
        if over and answer is None and (self.child.returncode or self.jobs == 1):
            raise UsageError(f"a round could not be measured: {self.last_words}")
        return answer

    def end(self) -> None:
        """Its input ends, and so does it with all its workers; of one that had to be killed the workers are swept up."""
        assert self.child.stdin is not None
        with contextlib.suppress(OSError):
            self.child.stdin.close()
        try:
            self.child.wait(ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            workspace.sweep()
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").split("\n")
        last = next((line for line in reversed(lines) if line.strip()), f"exit status {self.child.returncode}")
        self.last_words = f"{last.strip():.300}"
        self.errors.close()

    def _tell(self, message: object) -> None:
        assert self.child.stdin is not None
        with contextlib.suppress(OSError):  # it is gone: so says the end of its output
            pool_round.write(self.child.stdin, message)  # type: ignore[arg-type]

    def _read(self) -> None:
        assert self.child.stdout is not None
        with self.child.stdout as answers:
            while True:
                try:
                    self.answers.put(pool_round.read(answers))  # type: ignore[arg-type]
                except (EOFError, OSError, pickle.UnpicklingError):
                    self.answers.put(None)
                    return


_kept_process: RoundProcess | None = None  # of this worker, for the next round


@contextlib.contextmanager
def _alone(wanted: Callable[[], bool]) -> Iterator[bool]:
    """While nobody else on this machine measures for a pool; False where nobody wants it any more meanwhile."""
    mine = os.getuid() if hasattr(os, "getuid") else 0
    folder = pathlib.Path(tempfile.gettempdir()) / f"microgpt-bench.measuring-{mine}"
    folder.mkdir(mode=0o700, exist_ok=True)
    with contextlib.ExitStack() as held:
        with contextlib.ExitStack() as turn:  # whoever waits for the lock is before those that want it later
            alone = _taken(folder / "next", wanted, turn) and _taken(folder, wanted, held)
        yield alone


def _taken(folder: pathlib.Path, wanted: Callable[[], bool], held: contextlib.ExitStack) -> bool:
    """Wait for a lock, which is then held; False where nobody wants it any more meanwhile."""
    folder.mkdir(mode=0o700, exist_ok=True)
    while wanted():
        try:
            held.callback(locks.Lock(folder).release)
            return True
        except locks.Busy:
            time.sleep(LOCK_SECONDS)
    return False


def _wanted() -> Callable[[], bool]:
    """Whether the task that runs here is still wanted: not once it is cancelled, its client gone, or the worker closing."""
    worker: Any = importlib.import_module("distributed").get_worker()
    key = worker.get_current_task()

    def look() -> bool:
        task = worker.state.tasks.get(key)
        wanted = task is not None and task.state == "executing" and worker.status.name in ("running", "paused")
        return bool(wanted)

    return look
