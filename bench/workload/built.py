"""An engine whose file was compiled beforehand, as it is: what was built for this interpreter is imported in its place."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import sys
from typing import Dict, Tuple

from bench.workload.engine import PLAIN, Engine


class NotCompiled(Exception):
    """The compiler stopped; what it said."""


def this_build() -> str:
    """What tells this interpreter from those that another build's modules are for."""
    return sys.version.replace("\n", " ")


def load_built(folder: str, module: str, compiler: str, builds: Dict[str, Tuple[str, str]]) -> Engine:
    """The engine of the extension ``module``, named after it and the compiler.

    ``builds``: by `this_build` either ("built", path in the folder), or ("missing" or "failed", why). Raises NotCompiled.
    """
    name = f"{module}+{compiler}"
    outcome, said = builds.get(this_build(), ("missing", "it was not compiled for this interpreter"))
    if outcome == "missing":
        return dataclasses.replace(PLAIN, name=name, unavailable=said)
    if outcome == "failed":
        raise NotCompiled(said)
    spec = importlib.util.spec_from_file_location(module, os.path.join(folder, said))
    if spec is None or spec.loader is None:
        raise NotCompiled(f"{said} is nothing that this interpreter can import")
    made = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(module, made)  # some compilers' code looks for itself there
    spec.loader.exec_module(made)
    engine = made.ENGINE
    if not isinstance(engine, Engine):
        raise NotCompiled(f"{module} does not end in ENGINE = Engine(...)")
    change = f"compiled by {compiler} as it is"
    return dataclasses.replace(engine, name=name, parent=engine.name, change=change, summary=f"{engine.name}, {change}")
