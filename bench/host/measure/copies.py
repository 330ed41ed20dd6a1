"""The copies that workers import: looked at and mended, as an engine could write into them what a later one measures.

They are compiled beforehand by each interpreter, so that no worker has any reason to write a file there.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import subprocess
from collections.abc import Iterable

from bench.host.system.interpreters import Runtime, worker_environment

COMPILE_SECONDS = 60.0


class Copies:
    """The files of a workspace as they are now, and in its folders no others."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folders = [path for path in folder.iterdir() if path.is_dir()]
        files = [path for path in folder.iterdir() if path.suffix == ".txt"]
        files += [path for below in self.folders for path in below.rglob("*") if path.is_file()]
        self.kept = {path: path.read_bytes() for path in files}
        self.signs = {path: file_sign(path) for path in files}

    def mend(self) -> list[str]:
        """Names of the files that are not what they were, or are new; all is as it was again."""
        there = {path for folder in self.folders for path in folder.rglob("*") if not path.is_dir()}
        damaged = [path for path, before in self.signs.items() if file_sign(path) != before]
        new = sorted(there - set(self.kept))
        for path in new:
            path.unlink(missing_ok=True)
        for path in damaged:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            path.unlink(missing_ok=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.kept[path])
            os.utime(path, ns=(self.signs[path][1], self.signs[path][1]))  # what was compiled of it names it
            self.signs[path] = file_sign(path)
        return [path.name for path in (*damaged, *new)]


def file_sign(path: pathlib.Path) -> tuple[int, ...]:
    """What is different once a file was written; the third is set by the system alone."""
    with contextlib.suppress(OSError):
        about = path.lstat()
        return about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino, about.st_mode
    return ()


_known: dict[pathlib.Path, Copies] = {}


def of(folder: pathlib.Path, runtimes: Iterable[Runtime]) -> Copies:
    """Those of a workspace, compiled, as they are when first asked for: before the first worker starts."""
    if folder not in _known:
        for runtime in runtimes:
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):  # then each worker compiles for itself
                subprocess.run(
                    [runtime.executable, "-s", "-m", "compileall", "-q", str(folder)],
                    env=worker_environment(runtime.environment),
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    timeout=COMPILE_SECONDS,
                )
        _known[folder] = Copies(folder)
    return _known[folder]
