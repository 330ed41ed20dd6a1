"""The user's file that names peers: programs that train microgpt, in any language."""

from __future__ import annotations

import pathlib
import re
import shlex
from collections.abc import Mapping
from typing import Any

from bench.host.results import checks
from bench.host.results.peers import WEIGHTS_TOLERANCE, Peer
from bench.host.results.printed_losses import MOST_TOLERANCE
from bench.host.system import toml_file
from bench.host.system.errors import UsageError
from bench.host.system.toml_file import check_keys
from bench.workload.config import CHOICES, Config, WorkloadError

PATTERN = r"step\s+(?P<step>\d+)\s*/\s*\d+\s*\|\s*loss\s+(?P<loss>\S+)"
KEYS = (
    "command",
    "cwd",
    "env",
    "pattern",
    "shell",
    "rng",
    "gaussian",
    "schedule_steps",
    "proof",
    "two_counts",
    "weights",
    "tolerance",
    "loss_tolerance",
    "runtime",
)
TEXTS = dict.fromkeys(("cwd", "pattern", "rng", "gaussian", "weights", "runtime"), str)
KINDS: dict[str, type] = {**TEXTS, "env": dict, "shell": bool}
LONGEST_RUNTIME = 40  # characters
WIDEST = 1e-5  # of final weights: a thousandth of what one step may change
PROOFS = ("losses", "differs", "none")


def read_file(path: pathlib.Path) -> list[Peer]:
    """The peers of a TOML file. Raises UsageError for whatever is wrong with it."""
    content = toml_file.read(path)
    check_keys(f"{path}", content, ["peers"])
    peers = content.get("peers")
    if not isinstance(peers, dict) or not peers:
        raise UsageError(f"{path} names no peers: write a table [peers.NAME] with command = [...] for each")
    for name in peers:
        if not re.fullmatch(checks.NAME, name):
            raise UsageError(f"{path}: {name!r} can't be the name of a peer: leave out / and control characters")
    return [_peer(f"{path}: peer {name}", name, about, path.parent) for name, about in peers.items()]


def _peer(where: str, name: str, about: Any, folder: pathlib.Path) -> Peer:
    if not isinstance(about, dict):
        raise UsageError(f"{where} is not a table: write [peers.{name}]")
    check_keys(where, about, KEYS)
    for key, kind in KINDS.items():
        if key in about and not isinstance(about[key], kind):
            raise UsageError(f"{where}: {key} is {about[key]!r}, not a {'table' if kind is dict else kind.__name__}")
    shell, command = about.get("shell", False), _command(where, about)
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
    if about.get("proof", PROOFS[0]) not in PROOFS:
        raise UsageError(f"{where}: proof is {about['proof']!r}: choose {' or '.join(PROOFS)}")
    schedule = about.get("schedule_steps", 1000)
    if schedule != "steps" and (isinstance(schedule, bool) or not isinstance(schedule, int) or schedule < 1):
        raise UsageError(f'{where}: schedule_steps is {schedule!r}: give a number of steps, or "steps"')
    cwd = about.get("cwd", ".")
    if not (folder / cwd).is_dir():
        raise UsageError(f"{where}: cwd {folder / cwd} is not a folder")
    peer = Peer(
        name,
        command,
        cwd,
        env,
        _pattern(where, about),
        shell,
        about.get("rng", "mersenne"),
        about.get("gaussian", "polar"),
        None if schedule == "steps" else schedule,
        about.get("proof", PROOFS[0]),
        bool(about.get("two_counts", False)),
        about.get("weights", ""),
        about.get("tolerance", WEIGHTS_TOLERANCE),
        _long_steps(where, about.get("two_counts", False)),
        about.get("loss_tolerance", 0.0),
        _runtime(where, about.get("runtime", "")),
    )
    _check_proof(where, about, peer)
    try:
        Config(rng=peer.rng, gaussian=peer.gaussian)  # do they go together?
    except WorkloadError as error:
        raise UsageError(f"{where}: {error}") from None
    return peer


def _long_steps(where: str, two_counts: Any) -> int | None:
    """The second of the two numbers of steps, where the file gives one. Raises UsageError."""
    if isinstance(two_counts, bool):
        return None
    if not isinstance(two_counts, int) or not 2 <= two_counts <= checks.MOST_STEPS:
        raise UsageError(
            f"{where}: two_counts is {two_counts!r}: give true, or a number of steps, 2 to {checks.MOST_STEPS:,}"
        )
    return two_counts


def _runtime(where: str, runtime: str) -> str:
    """A few words for the tables. Raises UsageError for what breaks a line, or is longer than a cell."""
    if len(runtime) > LONGEST_RUNTIME or not runtime.isprintable():
        raise UsageError(f"{where}: runtime is {runtime!r:.60}: give at most {LONGEST_RUNTIME} characters in a line")
    return runtime


def _command(where: str, about: Mapping[str, Any]) -> list[str]:
    """The words of the command, of a shell's the one text. Raises UsageError."""
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
    return command


def _pattern(where: str, about: Mapping[str, Any]) -> str:
    """The regular expression that finds a loss. Raises UsageError."""
    pattern: str = about.get("pattern", PATTERN)
    try:
        groups = re.compile(pattern).groupindex
    except (re.error, OverflowError, RecursionError) as error:
        raise UsageError(f"{where}: pattern is not a regular expression: {error}") from None
    if "loss" not in groups:
        raise UsageError(f"{where}: pattern has no group (?P<loss>...) to find the loss by")
    return pattern


def _check_proof(where: str, about: Mapping[str, Any], peer: Peer) -> None:
    """Raises UsageError where what proves a peer, and how it is timed, do not go together."""
    if "weights" in about and (not peer.weights or "\0" in peer.weights):
        raise UsageError(f"{where}: weights is {peer.weights!r}: give the name of the file that the program writes")
    if peer.weights and peer.proof == "none":
        raise UsageError(f'{where}: weights are a proof, and proof is "none": leave one of them out')
    for key, used in (("weights", peer.weights), ("two_counts", peer.two_counts)):
        if used and not peer.told_steps:
            raise UsageError(
                f"{where}: {key} needs a program that ends by itself: put {{steps}} into its command or env"
            )
    for key, given, most in (
        ("tolerance", peer.tolerance, WIDEST),
        ("loss_tolerance", peer.loss_tolerance, MOST_TOLERANCE),
    ):
        if isinstance(given, bool) or not isinstance(given, (int, float)) or not 0 <= given <= most:
            raise UsageError(f"{where}: {key} is {given!r}: give a number from 0 to {most:g}")
    if "loss_tolerance" in about and peer.proof == "none":
        raise UsageError(f'{where}: loss_tolerance is one of losses, and proof is "none": leave one of them out')
    if "tolerance" in about and not peer.weights:
        raise UsageError(f"{where}: tolerance is one of final weights: give weights too, or leave it out")
