"""The compilers of Python that an engine file can be put through as it is, and how a row says that it was: ``reference+cython``."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class Compiler:
    """What makes an extension module of one file beside it: ``python -m`` these words and the file.

    ``needs``: the distributions that it takes, its own first, by the modules that show that they are there.
    """

    words: Sequence[str]
    needs: dict[str, str]


# as their guides say to compile a module that nobody has prepared for it
COMPILERS = {
    "cython": Compiler(("Cython.Build.Cythonize", "--inplace", "-3"), {"Cython": "cython", "setuptools": "setuptools"}),
    "mypyc": Compiler(("mypyc",), {"mypyc": "mypy", "setuptools": "setuptools"}),
    "nuitka": Compiler(("nuitka", "--mode=module", "--remove-output"), {"nuitka": "nuitka"}),
}


def split(name: str) -> tuple[str, str]:
    """An engine's name or file and the compiler that it asks for, "" for none: ``mine.py+cython``."""
    plain, _, compiler = name.rpartition("+")
    return (plain, compiler) if plain and compiler in COMPILERS else (name, "")
