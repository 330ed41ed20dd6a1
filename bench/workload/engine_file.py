"""Importing an engine from a file of the user's own, which finds modules that stand beside it.

``import helper`` finds helper.py in the file's folder, behind everything that is installed: a file named as a module of
the standard library, or as a package, hides neither. ``from . import helper`` finds it too.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import pathlib
import sys
import types
from typing import Dict, List

_packages: Dict[str, str] = {}  # folder to the package that its engines are modules of
_beside: List[str] = []  # modules that the last file found beside itself
_behind: List[str] = []  # its folder, where it was put on sys.path


def import_file(path: pathlib.Path) -> types.ModuleType:
    """The module of an engine file, run anew at each call, with what stands beside it as it is now.

    An import that an engine carries out later, in a function, looks into the folder of the last file. Raises whatever the
    file raises.
    """
    folder = str(path.resolve().parent)
    for name in _beside:  # another file's helper may have the same name
        sys.modules.pop(name, None)
    sys.path[:] = [entry for entry in sys.path if entry not in _behind]
    _beside[:], _behind[:] = [], []
    if folder not in sys.path:
        _behind.append(folder)
        sys.path.append(folder)
    package = _packages.setdefault(folder, f"engine_files_{len(_packages)}")
    parent = sys.modules[package] = types.ModuleType(package)
    parent.__path__ = [folder]
    importlib.invalidate_caches()  # a folder may be younger than the last look at it
    stem = "".join(letter if letter.isalnum() else "_" for letter in path.stem)
    spec = importlib.util.spec_from_file_location(f"{package}.{stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError("it is nothing that Python can import")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    before = set(sys.modules)
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # a user's folder is left as it was
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = writes
        new = set(sys.modules) - before
        if path.stem in new and _stands_in(folder, path.stem):
            # a file called like a library that it imports, and that is not here, has imported itself: nobody else must
            del sys.modules[path.stem]
            new.discard(path.stem)
        _beside.extend(name for name in new if name.startswith(f"{package}.") or _stands_in(folder, name))
    return module


def _stands_in(folder: str, name: str) -> bool:
    """Whether the module, or the package that it is in, was found in this folder."""
    top = name.partition(".")[0]
    module = sys.modules.get(top)
    places = [*getattr(module, "__path__", [])] or [getattr(module, "__file__", None) or ""]
    return top not in ("bench", "engines") and os.path.realpath(os.path.dirname(places[0])) == folder
