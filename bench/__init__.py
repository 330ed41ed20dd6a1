"""microgpt-bench: what each way of writing a scalar autograd engine costs, with proof that the losses agree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bench.workload.beside  # noqa: F401 (before anything imports engines)
from bench.workload.config import Config, WorkloadError
from bench.workload.engine import Engine, Parity, linear, rmsnorm, softmax
from bench.workload.generators import Mulberry32
from bench.workload.trainer import Step, Trainer

if TYPE_CHECKING:
    from bench.workload.model import Model
    from engines.reference import Value

__all__ = [
    "Config",
    "Engine",
    "Model",
    "Mulberry32",
    "Parity",
    "Step",
    "Trainer",
    "Value",
    "WorkloadError",
    "linear",
    "rmsnorm",
    "softmax",
]


def __getattr__(name: str) -> Any:
    """What a worker has no use for is imported when it is asked for."""
    if name == "Model":
        from bench.workload.model import Model

        return Model
    if name == "Value":  # the reference's
        from engines.reference import Value

        return Value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
