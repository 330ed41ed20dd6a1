"""A machine of a pool, as this side knows it."""

from __future__ import annotations

import dataclasses
from typing import Any

from bench.host.system.interpreters import Runtime


@dataclasses.dataclass
class Machine:
    """A worker that measures: its address, what `pool_worker.survey` said, and its runtimes by their names in the plan."""

    address: str
    about: dict[str, Any]
    runtimes: dict[str, Runtime] = dataclasses.field(default_factory=dict)
    failures: int = 0
    step: Any = None  # of sending it files: the future under way
    ready: bool = False  # it has them

    @property
    def identity(self) -> str:
        """Of the machine: workers of one share it."""
        return str(self.about["machine"]["identity"])

    @property
    def kind(self) -> tuple[str, ...]:
        """What its ratios depend on: the processor, the system with its C library, and the builds of its runtimes."""
        machine = self.about["machine"]
        builds = sorted(
            f"{one.name} {one.described['build']} {one.described['compiler']}" for one in self.about["runtimes"]
        )
        return str(machine["cpu"]), str(machine["platform"]), *builds

    def __str__(self) -> str:
        return f"{self.address} ({self.about['machine']['cpu']})"
