"""What the interpreter's functions do: the groups of ``symbols.toml`` beside this file, whose head describes it."""

from __future__ import annotations

import dataclasses
import fnmatch
import functools
import pathlib
import re

from bench.host.system import toml_file

UNMAPPED = "unmapped"


@dataclasses.dataclass(frozen=True, eq=False)
class Groups:
    """``about``: what each group is, in the order of the picture; ``costs``: of a miss of the first and of the second level."""

    about: dict[str, str]
    costs: tuple[float, float]
    patterns: tuple[tuple[str, re.Pattern[str]], ...]

    @functools.cache  # noqa: B019 (there is one of it)
    def of(self, function: str) -> str:
        """The group of a function; UNMAPPED where it has none."""
        return next((group for group, pattern in self.patterns if pattern.fullmatch(function)), UNMAPPED)


@functools.cache
def groups() -> Groups:
    """Those of symbols.toml."""
    content = toml_file.read(pathlib.Path(__file__).with_name("symbols.toml"))
    cost = content["cost"]
    return Groups(
        {group["name"]: group["about"] for group in content["group"]},
        (float(cost["first_level"]), float(cost["second_level"])),
        tuple(
            (group["name"], re.compile("|".join(map(fnmatch.translate, group["functions"]))))
            for group in content["group"]
        ),
    )
