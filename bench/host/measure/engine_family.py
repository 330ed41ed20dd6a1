"""Writes the engines of the family of switches: complete files, all from one description, engine_family.py.jinja."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable

from bench.host.results import switches
from bench.host.results.switches import SWITCHES, Combination
from bench.host.system.errors import needs_extra
from bench.workload.model_file import write_atomically

TEMPLATE = pathlib.Path(__file__).with_suffix(".py.jinja")


def source(combination: Combination) -> str:
    """The engine file of a combination. Raises UsageError where Jinja2 is missing, ValueError for one that is not legal."""
    try:
        import jinja2
    except ImportError as error:
        raise needs_extra("interactions", str(error.name)) from None
    if not switches.legal(combination):
        raise ValueError(f"these switches do not go together: {', '.join(combination)}")
    environment = jinja2.Environment(
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined
    )
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        {switch: switch in combination for switch in SWITCHES},
        name=switches.name(combination),
        changes=", ".join(combination),
        bit_identical=switches.ROUNDS.isdisjoint(combination),
    )


def write(combinations: Iterable[Combination], folder: pathlib.Path) -> list[pathlib.Path]:
    """The engine file of each, in ``folder``. Raises UsageError, OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for combination in combinations:
        paths.append(folder / f"{switches.name(combination)}.py")
        write_atomically(paths[-1], source(combination))
    return paths
