"""Git repositories, asked through git and never changed: revisions, files as they were, and what was renamed since.

Of the environment nothing decides which repository that is: variables such as GIT_DIR, which a hook has from git, would
have every command look into another one.
"""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Collection, Iterable, Mapping, Sequence

from bench.host.system.errors import UsageError

ENGINE = re.compile(rb"\bENGINE\b")  # what makes a file one of an engine
SIMILAR = "50%"  # of a file's lines, and it is a renamed one: git's own default


class Repository:
    """The repository around a folder. Raises UsageError where there is none that git reads."""

    def __init__(self, folder: pathlib.Path, revision: str, asked: str = "") -> None:
        self.asked = asked or f"--against {revision}"  # what the user will look for in a message
        if shutil.which("git") is None:
            raise UsageError(
                f"{self.asked.split()[0]} needs git, which is not on PATH: install it, or use --baseline RUN"
            )
        done = git(folder, "rev-parse", "--show-toplevel")
        if done.returncode:
            said = done.stderr.decode(errors="replace")
            if "not a git repository" in said:
                raise UsageError(f"{self.asked}: {folder} is not a git repository: use --baseline RUN")
            raise UsageError(f"{self.asked}: git cannot read {folder}: {_advice(said)}")
        self.top = pathlib.Path(os.fsdecode(done.stdout.removesuffix(b"\n"))).resolve()
        parsed = git(self.top, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
        if parsed.returncode:
            hint = "in a shallow clone fetch it first (actions/checkout: fetch-depth: 0)"
            raise UsageError(f"{self.asked}: no such revision in {self.top}: {hint}")
        self.commit = parsed.stdout.decode().strip()
        self.short = self._out("rev-parse", "--short", self.commit).decode().strip()

    def inside(self, path: pathlib.Path) -> str:
        """A path as git has it: from the top, its parts joined by /."""
        return path.relative_to(self.top).as_posix()

    def files(self, folder: str = "", *, deep: bool = True) -> list[str]:
        """Files of the revision in a folder given from the top, as paths from the top."""
        return [name for name, kind in self._listed(folder, deep) if kind == "blob"]

    def below(self, folder: str) -> list[str]:
        """Files of the revision in a folder given from the top, or in the one that a link there points to; from itself."""
        asked = os.fsencode(f"{self.commit}:{folder}\n")
        said = self._out("cat-file", "--batch-check", "--follow-symlinks", stdin=asked).partition(b"\n")[0]
        tree = re.fullmatch(rb"([0-9a-f]+) tree \d+", said)
        if tree is None:
            return []
        listed = self._out("ls-tree", "-z", "-r", "--name-only", tree[1].decode()).split(b"\0")[:-1]
        return [os.fsdecode(name) for name in listed]

    def names(self, folder: str) -> list[str]:
        """Names of what stood directly in a folder given from the top, files and folders."""
        return [name.rpartition("/")[2] for name, _ in self._listed(folder, deep=False)]

    def _listed(self, folder: str, deep: bool) -> list[tuple[str, str]]:
        prefix = "" if folder in ("", ".") else f"{folder}/"
        options = ["-z", "--full-tree", *(["-r"] if deep else []), self.commit, *([prefix] if prefix else [])]
        done = git(self.top, "ls-tree", *options)
        lines = [] if done.returncode else done.stdout.split(b"\0")[:-1]
        entries = [line.partition(b"\t") for line in lines]
        return [(os.fsdecode(name), about.split()[1].decode()) for about, _, name in entries]

    def read(self, paths: Sequence[str]) -> dict[str, bytes]:
        """Contents at the revision by path from the top, links followed; those that it lacks are left out."""
        asked = [path for path in paths if "\n" not in path]
        lines = b"".join(os.fsencode(f"{self.commit}:{path}\n") for path in asked)
        answer, contents = self._out("cat-file", "--batch", "--follow-symlinks", stdin=lines), {}
        for path in asked:
            header, _, answer = answer.partition(b"\n")
            if header.endswith(b" missing"):
                continue
            kind, size = header.split()[-2:]
            if kind == b"blob":
                contents[path] = answer[: int(size)]
            answer = answer[int(size) + 1 :]
        return contents

    def gone(self, folders: Iterable[str] | None = None) -> list[str]:
        """Engine files of the revision that are none now, or not there: of these folders only, or of all."""
        listed = self.files() if folders is None else [p for one in folders for p in self.files(one, deep=False)]
        missing = [path for path in listed if path.endswith(".py") and not self._is_engine(path, folders is not None)]
        return [path for path, content in self.read(missing).items() if ENGINE.search(content)]

    def _is_engine(self, path: str, look: bool) -> bool:
        file = self.top / path
        return file.is_file() and not (look and not ENGINE.search(file.read_bytes()))

    def renamed(self, new: Collection[str], gone: Collection[str]) -> dict[str, str]:
        """For those of the ``new`` files that git recognises as one of the ``gone`` ones: their old path."""
        if not new or not gone:
            return {}
        with tempfile.TemporaryDirectory(prefix="microgpt-bench-") as folder:
            # an index and objects of our own: neither the user's index nor the repository is touched
            (pathlib.Path(folder) / "objects").mkdir()
            aside = {
                "GIT_INDEX_FILE": f"{folder}/index",
                "GIT_OBJECT_DIRECTORY": f"{folder}/objects",
                "GIT_ALTERNATE_OBJECT_DIRECTORIES": os.fsdecode(self._objects()),
            }
            run = functools.partial(self._out, environment=aside)
            run("read-tree", self.commit)
            lines = [b"0 " + b"0" * len(self.commit) + b"\t" + os.fsencode(path) for path in gone]
            for path in new:
                content = (self.top / path).read_bytes()
                stored = run("hash-object", "-w", "--stdin", f"--path={path}", stdin=content).strip()
                lines.append(b"100644 " + stored + b"\t" + os.fsencode(path))
            run("update-index", "-z", "--index-info", stdin=b"".join(line + b"\0" for line in lines))
            options = ["--cached", "-z", "-l0", "--diff-filter=R", "--name-status", f"--find-renames={SIMILAR}"]
            words = os.fsdecode(run("diff-index", *options, self.commit)).split("\0")[:-1]
        return {new: old for old, new in zip(words[1::3], words[2::3])}

    def _objects(self) -> bytes:
        done = self._out("rev-parse", "--git-path", "objects").removesuffix(b"\n")
        return os.path.join(os.fsencode(self.top), done)

    def _out(self, *arguments: str, stdin: bytes | None = None, environment: Mapping[str, str] | None = None) -> bytes:
        """What git prints. Raises UsageError with its own words where it fails."""
        done = git(self.top, *arguments, stdin=stdin, environment=environment)
        if done.returncode:
            raise UsageError(f"{self.asked}: git {arguments[0]} fails: {_advice(done.stderr.decode(errors='replace'))}")
        return done.stdout


class AtRevision:
    """A folder of a repository as it was: a Folder of bench.host.measure.engine_files."""

    def __init__(self, repository: Repository, folder: str) -> None:
        self.repository, self.prefix = repository, "" if folder in ("", ".") else f"{folder}/"

    def names(self) -> Collection[str]:
        """What stands directly in it, files and folders."""
        return self.repository.names(self.prefix.rstrip("/"))

    def below(self, name: str) -> list[str]:
        """The files in its folder ``name``, at any depth; a link to a folder is one."""
        return [f"{name}/{path}" for path in self.repository.below(self.prefix + name)]

    def read(self, path: str) -> bytes | None:
        """A file's contents; None where there was no such file."""
        return self.all_of([path]).get(path)

    def all_of(self, paths: Sequence[str]) -> dict[str, bytes]:
        """The contents of those that there were."""
        contents = self.repository.read([self.prefix + path for path in paths])
        return {path.removeprefix(self.prefix): content for path, content in contents.items()}


def git(
    folder: pathlib.Path, *arguments: str, stdin: bytes | None = None, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """What git says of the repository around ``folder``, whatever the environment says of another one."""
    kept = {name: value for name, value in os.environ.items() if name not in _elsewhere()}
    kept |= {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", **(environment or {})}  # its messages are read, and none asks
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, env=kept, input=stdin or b"")


@functools.cache
def _elsewhere() -> frozenset[str]:
    """Variables by which git would take another repository, index or store of objects than a folder's own."""
    said = b""
    with contextlib.suppress(OSError):
        said = subprocess.run(["git", "rev-parse", "--local-env-vars"], capture_output=True).stdout
    # what configures git stays: whose repositories are safe may stand there
    return frozenset(name for name in said.decode().split() if not name.startswith("GIT_CONFIG"))


def _advice(said: str) -> str:
    """Git's own reason, and the command that it recommends, in one line."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    reason = next((line for line in lines if line.startswith(("fatal:", "error:"))), (lines or ["no message"])[-1])
    command = next((line for line in lines if line.startswith("git ")), "")
    return reason.partition(": ")[2] + (f": {command}" if command else "") if ": " in reason else reason
