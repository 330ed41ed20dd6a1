"""Which commit, or which build of Python, changed an engine's speed: the gate at each step of a binary search.

Between commits the engine as it is now is held against itself at a commit: where that shows the whole change, it came later.
Between builds the engine on a build is held against itself on the good one: where that shows the whole change, it came there or earlier.
"""

from __future__ import annotations

import pathlib
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import engines
from bench.host.results.bisection import Bisection, Tried, alike, is_change
from bench.host.results.verdicts import Row
from bench.host.system.errors import UsageError
from bench.host.system.interpreters import CHECKOUT, ROOT
from bench.host.system.repository import Repository, git


class Candidate(NamedTuple):
    """A commit, or the interpreter of a build, and what it is in words."""

    name: str
    about: str


class Search(NamedTuple):
    """What lies between a good and a bad one, the bad one last; ``later``: a row that shows the whole change speaks for a later one."""

    good: Candidate
    candidates: list[Candidate]
    later: bool


def commits(good: str, bad: str, engine: str) -> Search:
    """The commits after ``good`` that touch what the engine is made of, up to ``bad``, which is checked out. Raises UsageError."""
    if engine.endswith(".py"):
        if not pathlib.Path(engine).is_file():
            raise engines.EngineError(f"no engine file {engine}")
        folder = pathlib.Path(engine).resolve().parent
        paths = [str(folder)]
    else:
        engines.check_name(engine)
        if not CHECKOUT:
            raise UsageError("an installed microgpt-bench has no history: give an engine file of a git repository")
        folder, paths = ROOT, [str(ROOT / "engines"), str(ROOT / "bench" / "workload")]
    first, last = (Repository(folder, revision, f"bisect {revision}") for revision in (good, bad))
    if last.commit != Repository(folder, "HEAD", "bisect HEAD").commit:
        raise UsageError(
            f"bisect holds the engine that is checked out against earlier ones: git switch --detach {bad} first"
        )
    if git(last.top, "diff", "--quiet", "HEAD", "--", *paths).returncode:
        raise UsageError(f"the engine has changes that are not committed, so it is not {bad}: commit or stash them")
    if git(last.top, "merge-base", "--is-ancestor", first.commit, last.commit).returncode:
        raise UsageError(f"{good} is no ancestor of {bad}: give an earlier commit of the same branch first")
    said = git(
        last.top, "log", "--first-parent", "--reverse", "--format=%h %s", f"{first.commit}..{last.commit}", "--", *paths
    )
    lines = said.stdout.decode(errors="replace").splitlines()
    if not lines:
        raise UsageError(f"no commit between {good} and {bad} touches {', '.join(paths)}: there is nothing to search")
    found = [Candidate(*line.partition(" ")[::2]) for line in lines]
    return Search(Candidate(first.short, good), found, later=True)


def builds(good: pathlib.Path, bad: pathlib.Path) -> Search:
    """The builds of Python in the folder of both, by their names, from ``good`` up to ``bad``. Raises UsageError."""
    # a build may be a link to where it is installed: its place in the folder counts
    good, bad = (path.absolute().parent.resolve() / path.absolute().name for path in (good, bad))
    if good.parent != bad.parent:
        raise UsageError(f"{good} and {bad} are not in one folder: give two builds of a folder of builds")

    def order(path: pathlib.Path) -> list[tuple[int, str]]:
        return [(int(part), "") if part.isdigit() else (-1, part) for part in re.findall(r"\d+|\D+", path.name)]

    there = sorted((path for path in good.parent.iterdir() if path.is_dir()), key=order)
    start, stop = there.index(good), there.index(bad)
    if start >= stop:
        raise UsageError(f"{good.name} does not come before {bad.name}: builds are in the order of their names")
    between = [Candidate(_python(path), path.name) for path in there[start : stop + 1]]
    return Search(between[0], between[1:], later=False)


def _python(build: pathlib.Path) -> str:
    """The interpreter of an installed build, or of one in its folder of sources. Raises UsageError."""
    for pattern in ("bin/python3.[0-9]*", "bin/python3", "bin/python", "python", "python.exe"):
        for path in sorted(build.glob(pattern)):
            if path.is_file() and re.fullmatch(r"python(\.exe|[\d.]*t?)", path.name):
                return str(path)
    raise UsageError(f"{build} has no Python: expected bin/python3 or python in it")


def run(
    engine: str, search: Search, bad: str, judge: Callable[[Candidate], Row], say: Callable[[str], None]
) -> Bisection:
    """Search; ``judge`` gives the gate's row for a candidate, in the way that the search wants it."""
    whole = judge(search.good if search.later else search.candidates[-1])
    _check(whole, "the whole change")
    found = is_change(whole)
    tried = [
        Tried(
            search.good.name if search.later else bad,
            "the whole change",
            whole,
            found,
            whole.word != "INCONCLUSIVE",
            "time",
        )
    ]
    say(f"{engine}, {search.good.about} to {bad}: {_said(whole)}")
    if not found:
        return Bisection(engine, search.good.about, bad, len(search.candidates), tried, "", "")
    low, high = -1, len(search.candidates) - 1  # the last that has it not, the first that has it
    while high - low > 1:
        middle = (low + high) // 2
        candidate = search.candidates[middle]
        row = judge(candidate)
        _check(row, candidate.about)
        same, sure, by = alike(whole, row)
        changed = same is not search.later
        tried.append(Tried(candidate.name, candidate.about, row, changed, sure, by))
        say(f"{candidate.name} {candidate.about}: {'has it' if changed else 'has it not'} ({_said(row)})")
        low, high = (low, middle) if changed else (middle, high)
    first = search.candidates[high]
    return Bisection(engine, search.good.about, bad, len(search.candidates), tried, first.name, first.about)


def _check(row: Row, what: str) -> None:
    if row.word not in ("PASS", "IMPROVED", "REGRESSED", "INCONCLUSIVE"):
        raise UsageError(
            f"{row.engine} cannot be compared at {what}: {row.word}{f', {row.reason}' if row.reason else ''}"
        )


def _said(row: Row) -> str:
    ratio = "" if row.ratio is None else f", speed {row.ratio.value:.3f}"
    counts = "" if row.instructions is None else f", by instructions {row.instructions:.4f}"
    return f"{row.word}{ratio}{counts}"


def row_of(rows: Sequence[Row]) -> Row:
    """The engine's own line among a check's."""
    return next(row for row in rows if row.hold is None)
