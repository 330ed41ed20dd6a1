"""Engine files of the user's own: which row stands for which file, and what a run takes along of each.

A run measures one state of a file, edited meanwhile or not: at its start it copies the file, what it imports from its own
folder (modules, packages and built extensions, and what these import there in turn), and files of that folder whose paths
stand in it as texts. Nothing else of the folder is there when a worker imports the engine.
"""

from __future__ import annotations

import ast
import hashlib
import os
import pathlib
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import engines
from bench.host.measure import compilers
from bench.host.measure.plan import Subject
from bench.host.results.records import EngineRecord

BUILT = (".so", ".pyd")  # endings of extension modules
MOST_BYTES = 256 * 2**20  # that an engine may bring
OURS = ("bench", "engines")  # never what stands beside a user's file
UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")  # Unicode's categories of control characters, lone surrogates and line ends


# --------------------------------------------------------------------- names


def rows(names: Sequence[str]) -> dict[str, str]:
    """Row to an engine's name, or to the resolved path of its file; a file named twice is one row. Raises EngineError.

    With ``+compiler`` behind it, as `compilers.split` has it, both have that too.
    """
    split = [compilers.split(name) for name in names]
    plain = {stands_for: row for row, stands_for in _plain_rows([name for name, _ in split]).items()}
    chosen: dict[str, str] = {}
    for name, compiler in split:
        stands_for = str(pathlib.Path(name).resolve()) if name.endswith(".py") else name
        after = f"+{compiler}" if compiler else ""
        row = plain[stands_for] + after
        if chosen.setdefault(row, stands_for + after) != stands_for + after:
            raise engines.EngineError(f"two engines would be called {row}: rename a file")
    return chosen


def _plain_rows(names: Sequence[str]) -> dict[str, str]:
    shown: dict[str, pathlib.Path | None] = {}
    for name in names:
        if name.endswith(".py"):
            path = pathlib.Path(name)
            if not path.is_file():
                raise engines.EngineError(f"no engine file {name!r}" if _unseen(name) else f"no engine file {name}")
            real = str(path.resolve())
            for text in (name, real):
                if character := _unseen(text):
                    raise engines.EngineError(
                        f"engine file {text!r}: its name may not contain {character!r}: rename the file"
                    )
            shown.setdefault(real, path.parent.resolve() / path.name)
        else:
            if _unseen(name):
                raise engines.EngineError(f"no engine {name!r}: microgpt-bench engines lists them")
            engines.check_name(name)
            shown.setdefault(name, None)
    files = iter(shortest([path for path in shown.values() if path is not None], engines.NAMES))
    return {name if path is None else next(files): name for name, path in shown.items()}


def shortest(paths: Sequence[pathlib.PurePath], taken: Collection[str] = ()) -> list[str]:
    """For each path, without its ending, as much of its end as no other one has and as is not ``taken``."""
    parts = [path.with_suffix("").parts for path in paths]
    names = []
    for own in parts:
        for length in range(1, len(own) + 1):
            name = "/".join(own[-length:])
            if name not in taken and sum(other[-length:] == own[-length:] for other in parts) == 1:
                break
        names.append(name)
    return names


def _unseen(text: str) -> str:
    """The first character that does not show or cannot be written as UTF-8; "" where there is none."""
    return next((character for character in text if unicodedata.category(character) in UNSEEN), "")


# --------------------------------------------------------------------- what belongs to an engine


class Folder(Protocol):
    """The folder of an engine file: on disk, or at a git revision. Paths are relative to it, their parts joined by /."""

    def names(self) -> Collection[str]:
        """What stands directly in it, files and folders."""

    def below(self, name: str) -> list[str]:
        """The files in its folder ``name``, at any depth; none where that is no folder."""

    def read(self, path: str) -> bytes | None:
        """A file's contents; None where there is no such file."""


class OnDisk:
    """A folder as it is now."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder

    def names(self) -> Collection[str]:
        """What stands directly in it, files and folders."""
        return set(os.listdir(self.folder))

    def below(self, name: str) -> list[str]:
        """The files in its folder ``name``, at any depth, without compiled and hidden ones."""
        paths = []
        for where, folders, files in os.walk(self.folder / name):
            folders[:] = sorted(folder for folder in folders if folder != "__pycache__" and not folder.startswith("."))
            paths += [pathlib.Path(where, file).relative_to(self.folder).as_posix() for file in sorted(files)]
        return paths

    def read(self, path: str) -> bytes | None:
        """A file's contents; None where there is no such file, or one that is too large. Raises OSError."""
        file = self.folder / path
        if not file.is_file():  # a pipe or a device is no file to copy
            return None
        if file.stat().st_size > MOST_BYTES:
            raise engines.EngineError(
                f"{file} is imported by an engine and larger than {MOST_BYTES // 2**20} MB: make it smaller"
            )
        return file.read_bytes()


def gather(folder: Folder, name: str, package: str = "") -> dict[str, bytes]:
    """The engine file ``name`` and what belongs to it, by path in its folder; nothing where there is no such file.

    ``package``: what the folder is imported as; "" for a folder that is on sys.path.
    """
    contents: dict[str, bytes] = {}
    waiting, beside = [name], folder.names()
    while waiting:
        path = waiting.pop()
        content = None if path in contents else folder.read(path)
        if content is None:
            continue
        contents[path] = content
        if sum(map(len, contents.values())) > MOST_BYTES:
            raise engines.EngineError(
                f"{name} and what it imports from its folder are larger than {MOST_BYTES // 2**20} MB: make them smaller"
            )
        if path.endswith(".py"):
            waiting += _wanted(content, folder, beside, package, at_top="/" not in path)
    return contents


def _wanted(content: bytes, folder: Folder, beside: Collection[str], package: str, at_top: bool) -> Iterator[str]:
    """What of the folder a module uses: of what it imports, and of the names that stand in it as texts."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # newer Python than this: any word may be a module
        words = set(re.findall(r"\w+", content.decode(errors="replace")))
        modules, texts = words - {*OURS}, set()
    else:
        nodes = list(ast.walk(tree))
        modules = {name for node in nodes for name in _imported(node, package, at_top)}
        values = [node.value for node in nodes if isinstance(node, ast.Constant)]
        # "data/weights.bin" and "data", "weights.bin" are the same path
        texts = {part for value in values if isinstance(value, str) for part in value.split("/")}
    for entry in sorted(beside):
        module, _, ending = entry.partition(".")
        if entry in texts or (module in modules and (ending == "py" or entry.endswith(BUILT))):
            yield entry
        if not ending and (entry in texts or entry in modules):
            inside = folder.below(entry)
            whole = entry in modules and f"{entry}/__init__.py" in inside  # else a folder that may hold anything
            yield from (
                path for path in inside if whole or path.endswith((".py", *BUILT)) or texts.issuperset(path.split("/"))
            )


def _imported(node: ast.AST, package: str, at_top: bool) -> Iterator[str]:
    """Names in the folder that a statement or call imports, if it is one that does."""
    if isinstance(node, ast.Import):
        dotted = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.level == 0:
        dotted = [f"{node.module}.{alias.name}" for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.level == 1 and at_top:
        yield from [node.module.partition(".")[0]] if node.module else [alias.name for alias in node.names]
        return
    elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        name = node.args[0].value
        dotted = [name] if called in ("import_module", "__import__") and isinstance(name, str) else []
    else:
        return
    for name in dotted:
        first, _, rest = name.partition(".")
        if package and first == package:
            yield rest.partition(".")[0]
        elif not package and first not in OURS:
            yield first


class Taken(NamedTuple):
    """An engine that a run has taken along: what its workers load, and what is recorded of it."""

    subject: Subject
    record: EngineRecord


def builtin(name: str, source: pathlib.Path) -> Taken:
    """The engine of that name of a copy of the sources; modules that it shares with others there are part of it."""
    return Taken(Subject(name, source), _record(digest(gather(OnDisk(source / "engines"), f"{name}.py", "engines"))))


def take(name: str, beside: Folder, folder: pathlib.Path, source: pathlib.Path, path: str) -> Taken:
    """The engine file ``name`` and what belongs to it, copied into ``folder``. ``path``: where it is the user's.

    Raises EngineError.
    """
    files = gather(beside, name)
    if not files:
        raise engines.EngineError(f"no engine file {path}")
    write(files, folder)
    return Taken(Subject(str(folder / name), source), _record(digest(files), path))


def _record(sha256: str, path: str | None = None) -> EngineRecord:
    return EngineRecord("", None, "", "bit-identical", sha256, path)  # the rest is for its worker to say


def write(files: Mapping[str, bytes], folder: pathlib.Path) -> None:
    """Put gathered files into ``folder``."""
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


def digest(files: Mapping[str, bytes]) -> str:
    """SHA-256 of an engine: of its file, or of all files and their paths where it has more than one."""
    each = {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}
    if len(each) == 1:
        return next(iter(each.values()))
    return hashlib.sha256("".join(f"{path} {each[path]}\n" for path in sorted(each)).encode()).hexdigest()
