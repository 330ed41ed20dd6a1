"""The final weights that a program writes into a file, compared with ours."""

from __future__ import annotations

import json
import math
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from bench.host.measure.copies import file_sign
from bench.workload.model_file import KIND, LARGEST_FILE

Weights = Mapping[str, Sequence[Sequence[float]]]  # (n_out, n_in) by name
PREFIX = re.compile(r"(?<=\.)(?:attn_|mlp_)")  # of the names that microgpt.py gives


class WrittenWeights:
    """A file that a program is to write, as it was before.

    It is JSON: an object with each matrix's rows of numbers by its name, or a model as ``microgpt-bench train --save`` writes it.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self.path, self._before = path, file_sign(path)

    def difference(self, expected: Weights) -> float:
        """The largest difference of a weight from the expected one. Raises ValueError for what is no such file."""
        name = self.path.name
        if not self.path.is_file():
            raise ValueError(f"it wrote no file {name}")
        if file_sign(self.path) == self._before:
            raise ValueError(f"it did not write {name}, which was there before it ran")
        if self.path.stat().st_size > LARGEST_FILE:
            raise ValueError(f"{name} is larger than {LARGEST_FILE // 2**20} MiB")
        try:
            read = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise ValueError(f"{name} is not JSON: {error}"[:200]) from None
        if isinstance(read, dict) and read.get("kind") == KIND:
            read = read.get("weights")
        if not isinstance(read, dict):
            raise ValueError(f"{name} is no object of matrices by name")
        matrices = {PREFIX.sub("", key): rows for key, rows in read.items()}
        if sorted(matrices) != sorted(expected):
            raise ValueError(f"{name} has the matrices {sorted(matrices)!r:.100} where {', '.join(expected)} belong")
        return max(_difference(f"{key} in {name}", matrices[key], rows) for key, rows in expected.items())


def _difference(where: str, rows: Any, expected: Sequence[Sequence[float]]) -> float:
    shape = (len(expected), len(expected[0]))
    if not isinstance(rows, list) or len(rows) != shape[0]:
        raise ValueError(f"{where} has not {shape[0]} rows")
    largest = 0.0
    for row, wanted in zip(rows, expected):
        if not isinstance(row, list) or len(row) != shape[1]:
            raise ValueError(f"a row of {where} has not {shape[1]} numbers")
        for number, right in zip(map(_number, row), wanted):
            if not math.isfinite(number):
                raise ValueError(f"{where} has what is no finite number")
            largest = max(largest, abs(number - right))
    return largest


def _number(written: Any) -> float:
    """A JSON number, or a text as float.hex writes it; NaN for all else."""
    try:
        if isinstance(written, str):
            return float.fromhex(written)
        return math.nan if isinstance(written, bool) else float(written)
    except (ValueError, TypeError, OverflowError):
        return math.nan
