"""The engines, in table order. A worker imports one by name and never a rival's."""

from __future__ import annotations

import difflib
import importlib
import pathlib
from typing import TYPE_CHECKING, Tuple

if TYPE_CHECKING:
    from bench.workload.engine import Engine

NAMES: Tuple[str, ...] = (
    "reference",
    "unslotted",
    "iterative",
    "direct_division",
    "fused_cross_entropy",
    "no_phantom_zero",
    "closures",
    "float_constants",
    "grouped_adam",
    "tape",
    "fused_dot",
    "combined",
    "numpy",
    "numba",
    "jax",
    "torch",
    "vector_exact",
    "compiled",
    "vector",
    "compiled_unordered",
    "native",
)


class EngineError(ValueError):
    """No such engine, or one that does not follow the contract; said in one line."""


class EngineUnavailable(EngineError):
    """The engine lacks something in this interpreter; the message says what and how to get it."""


def check_name(name: str) -> None:
    """Raises EngineError, with the nearest name, where no engine is called ``name``."""
    if name not in NAMES:
        near = difflib.get_close_matches(name, NAMES, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}?" if near else "see: microgpt-bench engines"
        raise EngineError(f"no engine {name!r}: {hint}")


def load(name: str) -> Engine:
    """The engine of that name, or of the file ``name`` where it ends in .py. Raises EngineError."""
    from bench.workload.engine import Engine
    from bench.workload.engine_file import import_file

    if name.endswith(".py"):
        path = pathlib.Path(name)
        if not path.is_file():
            raise EngineError(f"no engine file {name}")
        try:
            module = import_file(path)
        except (Exception, SystemExit) as error:
            raise EngineError(f"engine file {path.name} fails on import: {type(error).__name__}: {error}") from error
    else:
        check_name(name)
        module = importlib.import_module(f"engines.{name}")
    engine = getattr(module, "ENGINE", None)
    if not isinstance(engine, Engine):
        raise EngineError(f"engine file {pathlib.Path(name).name} does not end in ENGINE = Engine(...)")
    return engine
