"""Trained models on disk: JSON that a person can read, numbers as float.hex, so that they come back to the last bit."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import math
import os
import pathlib
import re
import stat
import time
from typing import Any, Dict, List, NamedTuple, Optional, Union

from bench.workload.config import Config, WorkloadError
from bench.workload.data import Vocabulary
from bench.workload.gpt import shapes

SCHEMA = 1
KIND = "microgpt-bench model"
LARGEST_FILE = 512 * 2**20  # bytes; a weight takes some 25
PIPE_SECONDS = 10.0  # to wait for somebody who reads a named pipe


class SavedModel(NamedTuple):
    """What a model file holds. ``weights``: (n_out, n_in) by name. ``engine`` and ``steps`` say how it was trained."""

    config: Config
    characters: str
    weights: Dict[str, List[List[float]]]
    engine: str
    steps: int


def write_atomically(path: pathlib.Path, content: Union[str, bytes]) -> None:
    """The whole file or nothing: written beside it, then renamed. Text becomes UTF-8.

    What is there and is no regular file, such as a device or a pipe, is written into; of a link what it points to is
    replaced. Raises OSError.
    """
    content = (
        content.encode(errors="replace") if isinstance(content, str) else content
    )  # half of a surrogate pair is "?"
    if is_special(path):
        with contextlib.suppress(BrokenPipeError), open(_open_special(path), "wb") as file:  # who left has read enough
            file.write(content)
        return
    path = pathlib.Path(os.path.realpath(path))
    beside = path.with_name(f".{path.name}.part")
    beside.write_bytes(content)
    os.replace(beside, path)


def is_special(path: pathlib.Path) -> bool:
    """Whether it is there and can't be replaced: a device, a pipe, or one of this process's open files."""
    return _descriptor(path) is not None or (path.exists() and not path.is_file() and not path.is_dir())


def _descriptor(path: pathlib.Path) -> Optional[int]:
    """The open file of this process that a path such as /dev/stdout or /dev/fd/3 stands for; None for another path."""
    text = os.path.abspath(path)
    for _ in range(40):  # links, as many as Linux follows
        match = re.fullmatch(rf"(?:/dev/fd|/proc/(?:self|thread-self|{os.getpid()})/fd)/(\d{{1,9}})", text, re.ASCII)
        if match:
            return int(match.group(1))
        if not os.path.islink(text):
            break
        text = os.path.abspath(os.path.join(os.path.dirname(text), os.readlink(text)))
    return None


def _open_special(path: pathlib.Path) -> int:
    """A descriptor to write to. A pipe that nobody reads, or opens to read within PIPE_SECONDS, raises OSError."""
    number = _descriptor(path)
    if number is not None:
        return os.dup(number)
    end = time.monotonic() + PIPE_SECONDS
    while True:
        try:
            number = os.open(path, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0))
        except OSError as error:
            if error.errno != errno.ENXIO or not path.is_fifo() or time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            os.set_blocking(number, True)
            return number


def save(path: Union[str, pathlib.Path], model: SavedModel, overwrite: bool = False) -> None:
    """Write a model. Raises WorkloadError where there is a file already, unless told to overwrite it."""
    path = pathlib.Path(path)
    if path.exists() and not is_special(path) and not overwrite:
        raise WorkloadError(f"{path} exists already: give another name or remove it")
    try:
        write_atomically(path, text_of(model))
    except OSError as error:
        raise WorkloadError(f"cannot write {path}: {error.strerror or error}") from None


def text_of(model: SavedModel) -> str:
    """What stands in a model's file."""
    record = {
        "kind": KIND,
        "schema": SCHEMA,
        "engine": model.engine,
        "steps": model.steps,
        "config": model.config.record(),
        "characters": model.characters,
        "weights": {name: [[x.hex() for x in row] for row in rows] for name, rows in model.weights.items()},
    }
    return json.dumps(record, indent=1, ensure_ascii=False) + "\n"


def load(path: Union[str, pathlib.Path]) -> SavedModel:
    """Read a model; everything that it says is checked. Raises WorkloadError for whatever is wrong with it."""
    path = pathlib.Path(path)
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):  # a pipe or a device might never end
            raise WorkloadError(f"cannot read {path}: it is not a file")
        if about.st_size > LARGEST_FILE:
            raise WorkloadError(
                f"{path} is larger than {LARGEST_FILE // 2**20} MiB, larger than any model of this project: give another file"
            )
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WorkloadError(f"cannot read {path}: {error.strerror or error}") from None
    except WorkloadError:  # which is a ValueError
        raise
    except (ValueError, RecursionError) as error:
        raise WorkloadError(f"{path} is damaged: it is not JSON ({error}): save the model again") from None
    if not isinstance(record, dict) or record.get("kind") != KIND:
        raise WorkloadError(f"{path} is not a model: `microgpt-bench train --save FILE` writes one")
    if record.get("schema") != SCHEMA:
        raise WorkloadError(f"{path} has schema {record.get('schema')!r}; this version reads schema {SCHEMA} only")
    try:
        return _checked(record)
    except (WorkloadError, KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise WorkloadError(f"{path} is damaged: {reason}: save the model again") from None


def _checked(record: Dict[str, Any]) -> SavedModel:
    """The record as a model; what is wrong is raised."""
    unknown = set(record) - {"kind", "schema", "engine", "steps", "config", "characters", "weights"}
    if unknown:
        raise ValueError(f"it has an unknown field {min(unknown)!r}")
    config = config_of(record["config"])
    characters, steps, engine = record["characters"], record["steps"], record["engine"]
    if not isinstance(characters, str) or not characters:
        raise ValueError("its characters are no text")
    characters.encode()  # half a surrogate pair could be drawn and not be printed
    if characters != "".join(Vocabulary([characters]).characters):
        raise ValueError("its characters are not a sorted text without repeats")
    if not isinstance(engine, str) or isinstance(steps, bool) or not isinstance(steps, int) or steps < 0:
        raise ValueError("its engine is not a name, or its steps are not a count")
    expected, rows_of = shapes(config, len(characters) + 1), record["weights"]
    if list(rows_of) != list(expected):
        raise ValueError(f"its weights are {', '.join(rows_of)} where {', '.join(expected)} belong")
    weights = {}
    for name, (n_out, n_in) in expected.items():
        rows = rows_of[name]
        if len(rows) != n_out or any(not isinstance(row, list) or len(row) != n_in for row in rows):
            raise ValueError(f"{name} does not have the shape ({n_out}, {n_in})")
        weights[name] = [[float.fromhex(x) for x in row] for row in rows]
        if not all(math.isfinite(x) for row in weights[name] for x in row):
            raise ValueError(f"{name} has a number that is not finite")
    return SavedModel(config, characters, weights, engine, steps)


def config_of(options: Dict[str, Any]) -> Config:
    """The configuration, each number of its own kind: Config itself checks the values only. Raises ValueError."""
    known = {field.name: field for field in dataclasses.fields(Config)}
    for name, value in options.items():
        if name not in known:
            raise ValueError(f"its configuration has an unknown field {name!r}")
        kind = str(known[name].type)  # as it is written there: "int", "Optional[float]" and so on
        kinds = (float, int) if "float" in kind else {"str": str, "bool": bool}.get(kind, int)
        if not isinstance(value, kinds) or isinstance(value, bool) is not (kind == "bool"):
            raise ValueError(f"{name} of its configuration is {value!r}")
    return Config(**options)
