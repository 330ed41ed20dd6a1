"""The session of a command that measures: a workspace, the plan, the run that it fills, and how far it is.

In this order: `prepare` or `resume` make the plan, `create` the run's folder, and in `measuring` the work is done::

    with Session() as session:
        session.prepare(request)
        run = session.create(folder / name)
        with session.measuring(None, lambda: f"interrupted: what was done is kept in {run.folder}") as progress:
            lockstep.measure(session.plan, run, progress)
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import pathlib
from collections.abc import Callable, Collection, Iterator, Sequence

from bench.host.measure import prepare
from bench.host.measure.plan import Plan
from bench.host.results import store
from bench.host.results.records import RunRecord
from bench.host.results.run import Run
from bench.host.system.deadline import Deadline
from bench.host.system.errors import Interrupted
from bench.host.system.progress import PREPARING, RunProgress
from bench.host.system.workspace import Workspace


class Session(Workspace):
    """A workspace with a ``plan``, what is to be recorded of it, and the ``run``. Each is there once it was made."""

    plan: Plan
    record: RunRecord
    run: Run
    missing: Sequence[str] = ()  # a line for each runtime that was left out

    def prepare(self, request: prepare.Request) -> None:
        """Make the plan of a new run. Raises UsageError, WorkloadError, EngineError."""
        with RunProgress(None, doing=PREPARING):
            self.plan, self.record, self.missing = prepare.prepare(request, self.folder)

    def resume(self, folder: pathlib.Path, only: Collection[str] | None = None, pooled: bool = False) -> Run:
        """Make the plan of a run on disk, to go on with; the rest as in `prepare.resume`. Raises UsageError."""
        self.plan, self.run = prepare.resume(folder, self.folder, only, pooled)
        return self.run

    def create(self, folder: pathlib.Path, notes: Sequence[str] = ()) -> Run:
        """Make the run's folder, which nobody else writes into until this session ends. Raises UsageError."""
        self.record = dataclasses.replace(self.record, notes=[*self.record.notes, *notes])
        self.run = store.create(folder, self.record)
        self.lock(self.run.folder)
        return self.run

    @contextlib.contextmanager
    def measuring(
        self,
        orders: int | None,
        interrupted: Callable[[], str],
        unit: str = "orders",
        deadline: Deadline | None = None,
    ) -> Iterator[RunProgress]:
        """How far it is, of so many ``orders`` at most; at an interrupt the line, if any, is said and Interrupted raised."""
        with RunProgress(orders, unit=unit, deadline=deadline) as progress:
            for line in self.missing:
                progress.say(line)
            try:
                yield progress
            except KeyboardInterrupt:
                if line := interrupted():
                    progress.say(line)
                raise Interrupted from None


def now() -> str:
    """Date and time, as a run's folder is named by them."""
    return f"{datetime.datetime.now(datetime.UTC):%Y%m%d-%H%M%S}"
