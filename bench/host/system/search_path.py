"""Where interpreters are looked for. Standard library only: the noxfile asks, in nox's own environment."""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
from collections.abc import Mapping


def extended_path(environment: Mapping[str, str] | None = None) -> str:
    """PATH with the directories of pyenv's interpreters behind it, so that they are found without being active."""
    environment = os.environ if environment is None else environment
    pyenv: list[str] = []
    with contextlib.suppress(OSError, RuntimeError):  # there may be no home folder, or none that can be read
        root = pathlib.Path(environment.get("PYENV_ROOT") or pathlib.Path.home() / ".pyenv")
        pyenv = sorted((str(path) for path in root.glob("versions/*/bin")), key=_by_version, reverse=True)
    return os.pathsep.join([environment.get("PATH", os.defpath), *pyenv])


def _by_version(path: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", path)]
