"""The copies that workers import: looked at and mended, as an engine could write into them what a later one measures."""

from __future__ import annotations

import contextlib
import functools
import pathlib

WATCHED = (".py", ".so", ".pyd", ".txt")  # what Python compiles from them is made by each interpreter


class Copies:
    """The files below a workspace as they are now."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.kept = {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.suffix in WATCHED}

    def mend(self) -> list[str]:
        """Names of the files that are not what they were; they are again."""
        damaged = []
        for path, content in self.kept.items():
            now = None
            with contextlib.suppress(OSError):
                now = path.read_bytes()
            if now != content:
                damaged.append(path.name)
                path.unlink(missing_ok=True)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
        return damaged


@functools.cache
def of(folder: pathlib.Path) -> Copies:
    """Those of a workspace, as they were when first asked for: before the first worker starts."""
    return Copies(folder)
