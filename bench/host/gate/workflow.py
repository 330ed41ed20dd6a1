"""What GitHub says to a workflow's step, and what the step says to GitHub."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
from collections.abc import Sequence

from bench.host.measure.revision import FIRST
from bench.host.system.interpreters import CHECKOUT, ROOT
from bench.host.system.repository import git


def base(names: Sequence[str]) -> str | None:
    """The revision that a workflow's check holds against; None outside of workflows, and for events without one.

    Of a pull request its base, of a push the commit before it, FIRST where there is none. ``names``: the engines that
    were named; the repository of the first file among them is the one that was pushed to, without any it is ours.
    https://docs.github.com/webhooks/webhook-events-and-payloads#push says what the event's file holds.
    """
    if os.environ.get("GITHUB_BASE_REF"):
        return f"origin/{os.environ['GITHUB_BASE_REF']}"
    if os.environ.get("GITHUB_EVENT_NAME") != "push":
        return None
    file = next((path for path in map(pathlib.Path, names) if path.suffix == ".py" and path.is_file()), None)
    where = ROOT if file is None else file.resolve().parent
    if shutil.which("git") is None:
        return None if file is None else "HEAD^"  # which is refused, as git is missing
    if file is None and not (CHECKOUT and _is_commit(os.environ.get("GITHUB_SHA") or "HEAD", where)):
        return None  # what was pushed is another repository, which our own engines are no part of
    before = _before()
    if before and _is_commit(before, where):
        return before
    shallow = git(where, "rev-parse", "--is-shallow-repository").stdout.strip() != b"false"  # or no repository
    return "HEAD^" if shallow or _is_commit("HEAD^", where) else FIRST


def _before() -> str:
    """The commit before a push, from the event's file; empty where it does not say, or all zeros as of a new branch."""
    try:
        event = json.loads(pathlib.Path(os.environ.get("GITHUB_EVENT_PATH", "")).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    before = event.get("before") if isinstance(event, dict) else None
    return before if isinstance(before, str) and re.fullmatch("[0-9a-f]{40,64}", before) and before.strip("0") else ""


def _is_commit(revision: str, where: pathlib.Path) -> bool:
    return git(where, "cat-file", "-e", f"{revision}^{{commit}}").returncode == 0
