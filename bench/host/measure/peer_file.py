"""The user's file that names peers: programs that train microgpt, in any language."""

from __future__ import annotations

import difflib
import pathlib
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import tomllib

from bench.host.results import checks
from bench.host.results.peers import Peer
from bench.host.system.errors import UsageError
from bench.workload.config import CHOICES, Config, WorkloadError

PATTERN = r"step\s+(?P<step>\d+)\s*/\s*\d+\s*\|\s*loss\s+(?P<loss>\S+)"
KEYS = ("command", "cwd", "env", "pattern", "shell", "rng", "gaussian", "schedule_steps")


def read_file(path: pathlib.Path) -> list[Peer]:
    """The peers of a TOML file. Raises UsageError for whatever is wrong with it."""
    try:
        if path.exists() and not path.is_file():
            raise UsageError(f"cannot read {path}: it is not a file")
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        repr(content)  # numbers of thousands of digits can't be shown
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # TOML's own errors, and of dates and encodings
        raise UsageError(f"{path} is not TOML: {error}") from None
    check_keys(f"{path}", content, ["peers"])
    peers = content.get("peers")
    if not isinstance(peers, dict) or not peers:
        raise UsageError(f"{path} names no peers: write a table [peers.NAME] with command = [...] for each")
    for name in peers:
        if not re.fullmatch(checks.NAME, name):
            raise UsageError(f"{path}: {name!r} can't be the name of a peer: leave out / and control characters")
    return [_peer(f"{path}: peer {name}", name, about, path.parent) for name, about in peers.items()]


def check_keys(where: str, table: Mapping[str, Any], known: Sequence[str]) -> None:
    """Raises UsageError for an unknown key, naming the nearest known one."""
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
            raise UsageError(f"{where} has an unknown key {key!r}: did you mean {near[0]!r}?")


def _peer(where: str, name: str, about: Any, folder: pathlib.Path) -> Peer:
    if not isinstance(about, dict):
        raise UsageError(f"{where} is not a table: write [peers.{name}]")
    check_keys(where, about, KEYS)
    kinds = {"cwd": str, "env": dict, "pattern": str, "shell": bool, "rng": str, "gaussian": str}
    for key, kind in kinds.items():
        if key in about and not isinstance(about[key], kind):
            raise UsageError(f"{where}: {key} is {about[key]!r}, not a {'table' if kind is dict else kind.__name__}")
    shell, command = about.get("shell", False), about.get("command")
    if shell and isinstance(command, str):
        command = [command]
    if not isinstance(command, list) or not command or not all(isinstance(word, str) and word for word in command):
        raise UsageError(
            f"{where}: command is {command!r}: give a list of words, or with shell = true one text for the shell"
        )
    try:
        if shell and not shlex.split(command[0]):
            raise ValueError("it has no word")
    except ValueError as error:
        raise UsageError(f"{where}: command {command[0]!r} is not quoted as in a shell: {error}") from None
    env = about.get("env", {})
    if not all(isinstance(value, str) for value in env.values()):
        raise UsageError(f"{where}: the values of env must be text")
    if any("\0" in text for text in (*command, *env, *env.values(), about.get("cwd", ""))) or {"", "="} & {
        *"".join(env)
    }:
        raise UsageError(f"{where}: command, cwd and env may not contain a null character, nor the names in env a =")
    for key in ("rng", "gaussian"):
        if about.get(key, CHOICES[key][0]) not in CHOICES[key]:
            raise UsageError(f"{where}: {key} is {about[key]!r}: choose {' or '.join(CHOICES[key])}")
    schedule = about.get("schedule_steps", 1000)
    if schedule != "steps" and (isinstance(schedule, bool) or not isinstance(schedule, int) or schedule < 1):
        raise UsageError(f'{where}: schedule_steps is {schedule!r}: give a number of steps, or "steps"')
    pattern = about.get("pattern", PATTERN)
    try:
        groups = re.compile(pattern).groupindex
    except (re.error, OverflowError, RecursionError) as error:
        raise UsageError(f"{where}: pattern is not a regular expression: {error}") from None
    if "loss" not in groups:
        raise UsageError(f"{where}: pattern has no group (?P<loss>...) to find the loss by")
    cwd = about.get("cwd", ".")
    if not (folder / cwd).is_dir():
        raise UsageError(f"{where}: cwd {folder / cwd} is not a folder")
    peer = Peer(
        name,
        command,
        cwd,
        env,
        pattern,
        shell,
        about.get("rng", "mersenne"),
        about.get("gaussian", "polar"),
        None if schedule == "steps" else schedule,
    )
    try:
        Config(rng=peer.rng, gaussian=peer.gaussian)  # do they go together?
    except WorkloadError as error:
        raise UsageError(f"{where}: {error}") from None
    return peer
