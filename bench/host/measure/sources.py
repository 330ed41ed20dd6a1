"""Copies of what a worker imports and trains on, in a command's workspace, so that it measures one state of them."""

from __future__ import annotations

import hashlib
import pathlib
import shutil

from bench.host.system import interpreters


def copy_source(workspace: pathlib.Path) -> pathlib.Path:
    """A copy of what a worker imports, so that a run measures one state of it, edited meanwhile or not."""
    source = workspace / "source"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(interpreters.ROOT / "bench" / "workload", source / "bench" / "workload", ignore=ignore)
    shutil.copy(interpreters.ROOT / "bench" / "__init__.py", source / "bench")
    shutil.copytree(interpreters.ROOT / "engines", source / "engines", ignore=ignore)
    for built in (interpreters.ROOT / "native").glob("*.so"):  # where it was built in place
        (source / "native").mkdir(exist_ok=True)
        shutil.copy(built, source / "native")
    return source


def copy_documents(path: pathlib.Path, workspace: pathlib.Path) -> pathlib.Path:
    """A copy of the user's file."""
    return pathlib.Path(shutil.copy(path, workspace / "documents.txt"))


def _sha256(path: pathlib.Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def digest(source: pathlib.Path) -> str:
    """One digest of every Python file that a worker may import."""
    digest = hashlib.sha256()
    for path in sorted(source.rglob("*.py")):
        digest.update(f"{path.relative_to(source).as_posix()} {_sha256(path)}\n".encode())
    return digest.hexdigest()
