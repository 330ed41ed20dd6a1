"""Where the documents come from: the embedded lists, the real names.txt on first use, or the user's own file."""

from __future__ import annotations

import atexit
import functools
import logging
import os
import pathlib
import sys
import tempfile
from typing import TextIO

import pooch

from bench.host.system import workspace
from bench.host.system.errors import UsageError
from bench.workload import data

NAMES_URL = "https://raw.githubusercontent.com/karpathy/makemore/988aa59e4d8fefa526d06f3b453ad116258398d4/names.txt"
NAMES_SHA256 = "0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d"
STANDARD_INPUT = "-"


def locate_again(name: str) -> pathlib.Path:
    """The file of a run on disk. Raises UsageError where it came from standard input, and so is gone."""
    if name == STANDARD_INPUT:
        raise UsageError("the run's documents came from standard input and are not kept: measure it again from a file")
    return locate(name)


def locate(name: str) -> pathlib.Path:
    """The file for ``--data``: an embedded dataset's name, ``names``, ``-`` or a path. Raises UsageError, WorkloadError.

    Standard input is read once, into a temporary file that stays as long as this process.

    names.txt is kept in the user's cache and checked against its checksum every time it is used.
    """
    if name == STANDARD_INPUT:
        return _kept(sys.stdin)
    if name != "names":
        return data.path_of(name)
    pooch.get_logger().setLevel(logging.ERROR)  # its progress is nobody's business here
    folder = cache()
    try:
        return pathlib.Path(
            pooch.retrieve(NAMES_URL, known_hash=f"sha256:{NAMES_SHA256}", fname="names.txt", path=folder)
        )
    except ValueError:
        raise UsageError(
            f"what {NAMES_URL} gave is not the expected names.txt (sha256 {NAMES_SHA256[:12]}…): it was not saved; use --data PATH"
        ) from None
    except Exception as error:  # the network has many ways to fail, and requests as many exceptions
        raise UsageError(
            f"cannot get names.txt ({type(error).__name__}): download it yourself into {folder} or leave --data out for the embedded names"
        ) from None


def cache() -> pathlib.Path:
    """The user's cache, or where there is none that can be written to, a folder among the temporary files."""
    folder = pathlib.Path(pooch.os_cache("microgpt-bench"))
    try:
        if folder.is_absolute():  # without a home it is not
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.R_OK | os.W_OK | os.X_OK):
                return folder
    except OSError:
        pass
    return pathlib.Path(tempfile.gettempdir()) / "microgpt-bench-names"


@functools.cache
def _kept(stream: TextIO) -> pathlib.Path:
    raw = stream.buffer.read(data.LARGEST_FILE + 1)
    data.check_size("on standard input", raw)
    prefix = f"{workspace.DATA}{os.getpid()}-"  # whose it is: of a process that is killed it is swept away later
    file = tempfile.NamedTemporaryFile(prefix=prefix, suffix=".txt", delete=False)  # noqa: SIM115 (it stays)
    atexit.register(pathlib.Path(file.name).unlink, missing_ok=True)
    with file:
        file.write(raw)
    return pathlib.Path(file.name)
