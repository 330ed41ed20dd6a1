"""Another git revision's engines and workload, laid out aside for workers to import."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence

from bench.host.errors import UsageError
from bench.host.interpreters import ROOT

FIRST = "nothing (the first commit)"  # in place of a revision where there is no earlier one


def name_of(revision: str, where: pathlib.Path | None = None) -> str:
    """The revision's short name in the repository around ``where``, None for ours. Raises UsageError where there is none."""
    where = where or ROOT
    if shutil.which("git") is None:
        raise UsageError("--against needs git, which is not on PATH: install it, or use --baseline RUN")
    done = _git("rev-parse", "--verify", "--quiet", "--short", f"{revision}^{{commit}}", where=where)
    if done.returncode:
        if _git("rev-parse", "--git-dir", where=where).returncode:
            raise UsageError(f"--against {revision}: {where.name} is not a git repository: use --baseline RUN")
        hint = "in a shallow clone fetch it first (actions/checkout: fetch-depth: 0)"
        raise UsageError(f"--against {revision}: no such revision here: {hint}")
    return done.stdout.decode().strip()


def of_workflow(where: pathlib.Path | None = None) -> str | None:
    """The revision that a workflow's check holds against; None outside of workflows, and for events without one.

    Of a pull request its base, of a push the commit before it, FIRST where there is none. ``where``: as in `name_of`.
    https://docs.github.com/webhooks/webhook-events-and-payloads#push says what the event's file holds.
    """
    if os.environ.get("GITHUB_BASE_REF"):
        return f"origin/{os.environ['GITHUB_BASE_REF']}"
    if os.environ.get("GITHUB_EVENT_NAME") != "push":
        return None
    if shutil.which("git") is None:
        return None if where is None else "HEAD^"  # which `name_of` refuses
    if where is None and not _is_commit(os.environ.get("GITHUB_SHA") or "HEAD", None):
        return None  # what was pushed is another repository, which our own engines are no part of
    before = _before()
    if before and _is_commit(before, where):
        return before
    shallow = _git("rev-parse", "--is-shallow-repository", where=where).stdout.strip() != b"false"  # or no repository
    return "HEAD^" if shallow or _is_commit("HEAD^", where) else FIRST


def _before() -> str:
    """The commit before a push, from the event's file; empty where it does not say, or all zeros as of a new branch."""
    try:
        event = json.loads(pathlib.Path(os.environ.get("GITHUB_EVENT_PATH", "")).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    before = event.get("before") if isinstance(event, dict) else None
    return before if isinstance(before, str) and re.fullmatch("[0-9a-f]{40,64}", before) and before.strip("0") else ""


def _is_commit(revision: str, where: pathlib.Path | None) -> bool:
    return _git("cat-file", "-e", f"{revision}^{{commit}}", where=where).returncode == 0


def lay_out(revision: str, folder: pathlib.Path) -> str:
    """Put what a worker imports into ``folder``, as it was at ``revision``; uncommitted changes stay where they are.

    Gives a line where something was left out, else "". Raises UsageError for a revision that has no engines.
    """
    present = [
        part for part in ("engines", "bench", "native") if not _git("cat-file", "-e", f"{revision}:{part}").returncode
    ]
    missing = [
        part
        for part in ("engines/__init__.py", "bench/workload/worker.py")
        if _git("cat-file", "-e", f"{revision}:{part}").returncode
    ]
    if missing:
        raise UsageError(
            f"--against {revision}: that revision has no {missing[0]}, so its engines cannot be measured: choose a newer one"
        )
    with tempfile.TemporaryFile() as archive:
        # an archive and not a work tree: neither a dirty tree nor an interrupt can leave anything behind
        subprocess.run(["git", "archive", revision, *present], cwd=ROOT, stdout=archive, check=True)
        archive.seek(0)
        with tarfile.open(fileobj=archive) as files:
            files.extractall(folder, filter="data")
    return _build_native(folder) if "native" in present else ""


def lay_out_files(revision: str, files: Sequence[pathlib.Path], folder: pathlib.Path) -> None:
    """Put engine files of the user's own into ``folder``, as they were at ``revision`` of the repositories they are in.

    A file that was not there yet is left out. Raises UsageError for a file outside any repository.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        where = file.resolve().parent
        name_of(revision, where)
        done = _git("show", f"{revision}:./{file.name}", where=where)
        if done.returncode == 0:
            (folder / file.name).write_bytes(done.stdout)


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
    return f"the C extension of that revision does not build here, so native has nothing to be held against: {last}"


def _same(one: pathlib.Path, other: pathlib.Path) -> bool:
    return other.is_file() and one.read_bytes() == other.read_bytes()


def _git(*arguments: str, where: pathlib.Path | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", *arguments], cwd=where or ROOT, capture_output=True)
