"""The engines as they were at a git revision, laid out aside for workers: what `check --against` holds today's against.

An engine file is held against the revision of the repository that it is in, a built-in engine against that of ours.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence

import engines
from bench.host.measure import engine_files
from bench.host.measure.engine_files import Taken
from bench.host.measure.plan import Before
from bench.host.system.errors import UsageError
from bench.host.system.interpreters import CHECKOUT, ROOT
from bench.host.system.repository import ENGINE, AtRevision, Repository

NEEDED = ("engines/__init__.py", "bench/workload/worker.py")

FIRST = "nothing (the first commit)"  # in place of a revision where there is no earlier one


def row_at(engine: str, label: str) -> str:
    """The row of an engine from another copy of the sources."""
    return f"{engine}@{label}"


def before(
    revision: str, asked: Mapping[str, str], all_builtin: bool, workspace: pathlib.Path, source: pathlib.Path
) -> tuple[Before, dict[str, Taken]]:
    """What the rows ``asked`` for are held against, and the rows of that. ``source``: what engine files are run with.

    ``all_builtin``: no engine was named, so that a built-in one that the revision has and this checkout has not was
    removed. Raises UsageError for a file outside any repository, and for a revision that one of the repositories lacks.
    """
    if revision == FIRST:
        return Before(FIRST, {}, list(asked), [], []), {}
    baselines: dict[str, str] = {}
    taken: dict[str, Taken] = {}
    gone: list[pathlib.Path] = []
    notes: list[str] = []
    groups = _by_repository(revision, asked)
    for group in groups:
        repository, old = group.repository, group.old_paths()
        laid_out, names = workspace / "before", []
        if group.builtin:
            notes.append(_lay_out(repository, laid_out))
            names = _names(laid_out)
        for row, path in old.items():
            file = pathlib.PurePosixPath(path)
            baselines[row] = row_at(row, repository.short)
            while baselines[row] in asked or baselines[row] in taken:  # an engine file may have such a name
                baselines[row] = row_at(baselines[row], repository.short)
            if file.stem in names and path == group.path_of(file.stem):
                taken[baselines[row]] = engine_files.builtin(file.stem, laid_out)
            else:
                beside = AtRevision(repository, str(file.parent))
                folder = workspace / "files" / f"old{len(taken)}"
                taken[baselines[row]] = engine_files.take(file.name, beside, folder, source, asked[row])
            if path != group.paths[row]:
                notes.append(f"{row} was {path} at {repository.short}: git sees a rename, so they are compared")
        gone += [repository.top / path for path in group.removed(old, names if all_builtin else [])]
    label = groups[0].repository.short if len(groups) == 1 else revision
    if len(groups) > 1:
        notes += [f"{revision} is {g.repository.short} in {g.repository.top}, for {', '.join(g.paths)}" for g in groups]
    removed = engine_files.shortest(gone, {*asked, *engines.NAMES})
    new = [row for row in asked if row not in baselines]
    return Before(label, baselines, new, removed, [note for note in notes if note]), taken


@dataclasses.dataclass
class _Group:
    """Rows whose engines stand in one repository: ``paths`` of their files from its top, by row."""

    repository: Repository
    paths: dict[str, str] = dataclasses.field(default_factory=dict)
    builtin: set[str] = dataclasses.field(default_factory=set)

    def path_of(self, name: str) -> str:
        """Where a built-in engine stands."""
        return self.repository.inside(ROOT.resolve() / "engines" / f"{name}.py")

    def old_paths(self) -> dict[str, str]:
        """Where each row's file stood at the revision, under another name where it was renamed; new ones are left out."""
        there = self.repository.read(list(self.paths.values()))
        new = [path for path in self.paths.values() if path not in there]
        renamed = self.repository.renamed(new, self.repository.gone()) if new else {}
        paths = {row: path if path in there else renamed.get(path, "") for row, path in self.paths.items()}
        return {row: path for row, path in paths.items() if path}

    def removed(self, old: Mapping[str, str], names: Sequence[str]) -> list[str]:
        """Engines that the revision had and that are neither there now nor renamed.

        They are the built-in ones ``names``, and engine files of the folders that files were named in.
        """
        gone = [self.path_of(name) for name in names if name not in engines.NAMES]
        files = [row for row in self.paths if row not in self.builtin]
        paths = [paths[row] for paths in (self.paths, old) for row in files if row in paths]
        gone += self.repository.gone(dict.fromkeys(path.rpartition("/")[0] for path in paths)) if files else []
        return [path for path in dict.fromkeys(gone) if path not in old.values()]


def _by_repository(revision: str, asked: Mapping[str, str]) -> list[_Group]:
    """Raises UsageError where one is no repository or lacks the revision."""
    groups: dict[pathlib.Path, _Group] = {}
    around: dict[pathlib.Path, _Group] = {}
    for row, engine in asked.items():
        own = engine.endswith(".py")
        if not own and not CHECKOUT:
            raise UsageError(
                f"--against {revision}: an installed package's own engines have no revisions: name engine files of a git"
                " repository, as in --engine FILE.py, or use --baseline RUN"
            )
        file = pathlib.Path(engine) if own else ROOT.resolve() / "engines" / f"{engine}.py"
        folder = file.parent if own else ROOT
        if folder not in around:
            repository = Repository(folder, revision)
            around[folder] = groups.setdefault(repository.top, _Group(repository))
        around[folder].paths[row] = around[folder].repository.inside(file)
        if not own:
            around[folder].builtin.add(row)
    return list(groups.values())


def _lay_out(repository: Repository, folder: pathlib.Path) -> str:
    """Put what a worker imports into ``folder``, as it was; uncommitted changes stay where they are.

    Gives a line where something was left out, else "". Raises UsageError for a revision that has no engines.
    """
    home = repository.inside(ROOT.resolve())
    beside = AtRevision(repository, home)
    # neither an archive, from which attributes leave files out, nor a work tree, which an interrupt would leave behind
    files = beside.all_of([path for part in ("engines", "bench", "native") for path in beside.below(part)])
    for path in NEEDED:
        if path not in files:
            raise UsageError(
                f"{repository.asked}: that revision of {repository.top} has no {path if home == '.' else f'{home}/{path}'},"
                " so its engines cannot be measured: choose a newer one"
            )
    engine_files.write(files, folder)
    return _build_native(folder) if (folder / "native").is_dir() else ""


def _names(folder: pathlib.Path) -> list[str]:
    """The engines that the sources in ``folder`` list; all that are there where the list is no literal."""
    with contextlib.suppress(SyntaxError, ValueError):
        for node in ast.parse((folder / "engines" / "__init__.py").read_bytes()).body:
            if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                if any(isinstance(target, ast.Name) and target.id == "NAMES" for target in targets):
                    return list(ast.literal_eval(node.value))
    return [path.stem for path in sorted((folder / "engines").glob("*.py")) if ENGINE.search(path.read_bytes())]


def _build_native(folder: pathlib.Path) -> str:
    """The C extension of that revision: today's file where its source is today's, else built."""
    built = sorted((ROOT / "native").glob("*.so"))
    if not built:
        return ""  # not built here either: the engine says so itself
    sources = [path for path in sorted((folder / "native").rglob("*")) if path.is_file()]
    if all(_same(path, ROOT / path.relative_to(folder)) for path in sources):
        for path in built:
            shutil.copy(path, folder / "native")
        return ""
    command = [sys.executable, "native/setup.py", "-q", "build_ext", "--inplace"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode == 0:
        return ""
    last = (done.stderr.strip().splitlines() or ["no message"])[-1]
    return f"the C extension of that revision does not build here, so native has nothing to compare with: {last}"


def _same(one: pathlib.Path, other: pathlib.Path) -> bool:
    return other.is_file() and one.read_bytes() == other.read_bytes()
