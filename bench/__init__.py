"""microgpt-bench: what each way of writing a scalar autograd engine costs, with proof that the losses agree."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

import bench.workload.beside  # noqa: F401 (before anything imports engines)
from bench.workload.config import Config, WorkloadError
from bench.workload.engine import Engine, Parity, linear, rmsnorm, softmax
from bench.workload.random_streams import Mulberry32
from bench.workload.trainer import Step, Trainer

if TYPE_CHECKING:
    from bench.api.combining import interactions, interactions_page, load_interactions, plot_interactions
    from bench.api.explaining import (
        breakdown,
        claims,
        explain,
        generated_source,
        ladder,
        ladder_page,
        list_engines,
        profile,
        warmup,
    )
    from bench.api.gating import bisect, calibrate, check, evaluate
    from bench.api.measuring import count, measure, merge, peers, scale, threads
    from bench.api.reading import compare, history, load_peers, load_run, load_scaling, load_threads, plots, report
    from bench.api.tables import render
    from bench.host.results.run import Run
    from bench.host.system.errors import Interrupted, UsageError
    from bench.workload.model import Model
    from engines import EngineError
    from engines.reference import Value

__all__ = [
    "Config",
    "Engine",
    "EngineError",
    "Interrupted",
    "Model",
    "Mulberry32",
    "Parity",
    "Run",
    "Step",
    "Trainer",
    "UsageError",
    "Value",
    "WorkloadError",
    "bisect",
    "breakdown",
    "calibrate",
    "check",
    "claims",
    "compare",
    "count",
    "evaluate",
    "explain",
    "generated_source",
    "history",
    "interactions",
    "interactions_page",
    "ladder",
    "ladder_page",
    "linear",
    "list_engines",
    "load_interactions",
    "load_peers",
    "load_run",
    "load_scaling",
    "load_threads",
    "measure",
    "merge",
    "peers",
    "plot_interactions",
    "plots",
    "profile",
    "render",
    "report",
    "rmsnorm",
    "scale",
    "softmax",
    "threads",
    "warmup",
]
# what a worker has no use for is imported when it is asked for
_MODULES = {
    "bench.api.gating": ["bisect", "calibrate", "check", "evaluate"],
    "bench.api.measuring": ["count", "measure", "merge", "peers", "scale", "threads"],
    "bench.api.combining": ["interactions", "interactions_page", "load_interactions", "plot_interactions"],
    "bench.api.explaining": [
        "breakdown",
        "claims",
        "explain",
        "generated_source",
        "ladder",
        "ladder_page",
        "list_engines",
        "profile",
        "warmup",
    ],
    "bench.api.reading": [
        "compare",
        "history",
        "load_peers",
        "load_run",
        "load_scaling",
        "load_threads",
        "plots",
        "report",
    ],
    "bench.api.tables": ["render"],
    "bench.host.results.run": ["Run"],
    "bench.host.system.errors": ["Interrupted", "UsageError"],
    "bench.workload.model": ["Model"],
    "engines": ["EngineError"],
    "engines.reference": ["Value"],
}
_LATER = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """What is imported when it is asked for. The host's functions need Python 3.11 and the package's dependencies."""
    if name in _LATER:
        if sys.version_info < (3, 11) and not _LATER[name].startswith(("bench.workload", "engines")):
            this = ".".join(map(str, sys.version_info[:2]))
            raise ImportError(f"bench.{name} needs Python 3.11 or newer: this is {this}")
        found = getattr(importlib.import_module(_LATER[name]), name)
        if _LATER[name].startswith("bench.api."):
            from bench.api.arguments import checked

            return checked(found)
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
