"""What speedups are relative to: the reference, another engine, each engine's parent, or one row for all."""

from __future__ import annotations

import dataclasses

from bench.host.results.records import REFERENCE, Cell
from bench.host.results.run import Run
from bench.host.system.errors import UsageError

PARENT = "parent"


@dataclasses.dataclass(frozen=True)
class Base:
    """``engine``: on the same runtime as the row compared with it, or on the one ``runtime``; PARENT: the row's own."""

    engine: str = REFERENCE
    runtime: str | None = None

    @property
    def parents(self) -> bool:
        """Whether each engine is compared with the one that it says it is a change of."""
        return self.engine == PARENT

    @property
    def text(self) -> str:
        """In words, as in "speedup over …"."""
        if self.parents:
            return "its parent"
        where = f" on {self.runtime}" if self.runtime else ""
        return f"the reference{where}" if self.engine == REFERENCE else f"{self.engine}{where}"

    def of(self, run: Run, engine: str, runtime: str) -> Cell | None:
        """The cell that this one is compared with; None where the run has none: no parent, or not measured."""
        wanted = run.record.engines[engine].parent if self.parents else self.engine
        if wanted is None or wanted not in run.record.engines:
            return None
        return (wanted, self.runtime or runtime)


OVER_REFERENCE = Base()


def parse(run: Run, over: str | None) -> Base:
    """The base of "parent", of an engine's name, or of a row's, ENGINE on RUNTIME; None: the reference.

    Raises UsageError for what the run has not.
    """
    if over is None:
        return OVER_REFERENCE
    if run.gated:
        raise UsageError(f"{run.folder.name} is of microgpt-bench check: its speedups are those of its verdicts alone")
    engines, runtimes = run.record.engines, run.record.runtimes
    engine, on, runtime = over.partition(" on ")
    if over == PARENT:
        if not any(Base(PARENT).of(run, name, "") for name in engines):
            raise UsageError(
                f"no engine of {run.folder.name} was measured beside its parent: name an engine as the base"
            )
        return Base(PARENT)
    if engine not in engines:
        raise UsageError(f"no engine {engine!r:.100} in {run.folder.name}: choose from {PARENT}, {', '.join(engines)}")
    if on and runtime not in runtimes:
        raise UsageError(f"no runtime {runtime!r:.100} in {run.folder.name}: choose from {', '.join(runtimes)}")
    where = runtime or None
    if not any(run.ok((engine, name)) for name in ([where] if where else runtimes)):
        raise UsageError(f"{over} has no time in {run.folder.name} to compare with: choose another engine")
    return Base(engine, where)
