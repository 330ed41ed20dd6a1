"""Which command made a run, and which runs a command takes."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

from bench.host.results import shapes
from bench.host.system.errors import UsageError

# By kind, which is the name of the command that made it: the file that is its alone, and what to do with it.
KINDS = {
    "run": (None, "microgpt-bench show prints its tables"),
    "check": ("gate.json", "microgpt-bench report makes its page"),
    "scale": ("scale.json", "microgpt-bench scale --show prints its tables"),
    "interactions": ("interactions.json", "microgpt-bench interactions --show prints its page"),
    "threads": ("threads.json", "microgpt-bench threads --show prints its tables"),
    "peers": ("peers.json", "microgpt-bench peers --show prints its table"),
}


def kind_of(folder: pathlib.Path) -> str:
    """What made a run. One of an older version, which did not record it, is told by its files and its command."""
    try:
        raw = shapes.parse(folder / "run.json")
    except (OSError, ValueError):  # whoever reads the run says what is wrong with it
        raw = {}
    about = raw if isinstance(raw, dict) else {}
    words = str(about.get("command")).split()
    said = [about.get("kind"), *(kind for kind, (file, _) in KINDS.items() if file and (folder / file).exists())]
    return next((kind for kind in [*said, *words[1:2]] if isinstance(kind, str) and kind in KINDS), "run")


def find(asked: pathlib.Path, folder: pathlib.Path, kinds: Sequence[str] = ("run",)) -> pathlib.Path:
    """A run of these kinds, by its path or that of its run.json, by its name under ``folder``, or the latest one there.

    Raises UsageError for one of another kind, and where there is none yet.
    """
    if str(asked) == "latest":
        paths = sorted(folder.glob("*/run.json"), key=lambda path: path.stat().st_mtime, reverse=True)
        path = next((path.parent for path in paths if kind_of(path.parent) in kinds), None)
        if path is None:
            what = "run" if kinds[0] == "run" else f"run of {kinds[0]}"
            raise UsageError(f"no {what} in {folder} yet: microgpt-bench {kinds[0]} makes one")
        return path
    if asked.name == "run.json" and asked.is_file():
        path = asked.parent
    else:
        path = asked if asked.exists() or not (folder / asked).exists() else folder / asked
    if (path / "run.json").is_file() and (kind := kind_of(path)) not in kinds:
        wanted = " or ".join(f"microgpt-bench {kind}" for kind in kinds)
        raise UsageError(
            f"{path} was made by microgpt-bench {kind}, but this command reads what {wanted} made: {KINDS[kind][1]}"
        )
    return path
