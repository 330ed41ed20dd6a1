"""The runtimes that a run asks for, and those of a run on disk again: found on this machine, as each describes itself."""

from __future__ import annotations

import dataclasses
import pathlib
import re
import shlex
from collections.abc import Collection, Mapping, Sequence

from bench.host.results.records import RuntimeRecord
from bench.host.system import interpreters, switches
from bench.host.system.errors import UsageError


def find_runtimes(pythons: Sequence[str], switches: Sequence[str] = ()) -> tuple[list[interpreters.Runtime], list[str]]:
    """The runtimes asked for, or the default matrix; and a line for each that was left out. Raises UsageError."""
    missing: list[str] = []
    if pythons:
        plain = [interpreters.resolve(python, {}) for python in pythons]
    else:
        plain, missing = interpreters.matrix({})
        if not plain:
            raise UsageError(
                f"none of CPython {', '.join(interpreters.default_versions())} is installed: give one with --python PATH"
            )
    runtimes, more = switched(plain, switches, bool(pythons))
    if switches and len(runtimes) == len(plain):
        raise UsageError(f"no Python here takes {' or '.join(switches)}: {more[-1].removeprefix('skipped: ')}")
    missing += more
    missing += filter(None, map(interpreters.also_found, plain))
    return interpreters.with_distinct_names(runtimes), missing


def switched(
    plain: Sequence[interpreters.Runtime], switches: Sequence[str], asked: bool
) -> tuple[list[interpreters.Runtime], list[str]]:
    """Runtimes, and each with the switches that fit it; and a line for each left out, unless they were ``asked`` for."""
    runtimes, missing = list(plain), []
    for text in switches:
        which, environment = _parse_switches(text)
        fitting = [runtime for runtime in plain if which in ("", runtime.name, runtime.specification)]
        if not fitting:
            raise UsageError(f"--env {text}: no runtime {which} here: choose from {', '.join(r.name for r in plain)}")
        for runtime in fitting:
            try:
                runtimes.append(interpreters.with_switches(runtime, environment))
            except UsageError as error:
                if asked or which:  # by name
                    raise
                missing.append(f"skipped: {error}")
    return runtimes, missing


def _parse_switches(text: str) -> tuple[str, dict[str, str]]:
    """``[RUNTIME:]NAME=VALUE [NAME=VALUE …]`` as the runtime's name or version, "" for all, and the variables."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"--env {text}: {error}: quote as in a shell, NAME='a value'") from None
    if not words:
        raise UsageError("--env is empty: write NAME=VALUE, as in --env PYTHON_JIT=1")
    which, colon, first = words[0].partition(":")
    if colon and "=" not in which:
        words[0] = first
    else:
        which = ""
    for word in words:
        if not re.fullmatch(r"[A-Za-z_]\w*=.*", word):
            raise UsageError(f"--env {text}: {word!r} is not NAME=VALUE, as in --env PYTHON_JIT=1")
    return which, dict(word.split("=", 1) for word in words)


def of_run(
    folder: pathlib.Path, runtimes: Mapping[str, RuntimeRecord], only: Collection[str] | None, pooled: bool
) -> list[interpreters.Runtime]:
    """A run's runtimes, or ``only`` some, as they were; ``pooled``: without looking for them here. Raises UsageError."""
    found = []
    for name, about in runtimes.items():
        if only is not None and name not in only:
            continue
        if pooled:
            found.append(interpreters.Runtime(name, about.specification, "", about.environment, about.described))
            continue
        runtime = find_again(name, about)
        both = runtime.described.keys() & about.described  # an older version may have asked for fewer facts
        if any(runtime.described[fact] != about.described[fact] for fact in both):
            raise UsageError(
                f"{about.specification} is a different build than when {folder} was started: start a new run"
            )
        found.append(runtime)
    return found


def find_again(name: str, about: RuntimeRecord) -> interpreters.Runtime:
    """A run's runtime by its name there, with its switches. Raises UsageError where it is gone or no longer the same Python."""
    runtime = interpreters.resolve(about.specification, {})
    if about.environment:
        runtime = interpreters.with_switches(runtime, about.environment)
    switched = [fact for fact, _ in switches.EFFECTS.values()]
    for fact in ("implementation", "version", "build", *switched):
        if fact in about.described and runtime.described[fact] != about.described[fact]:
            raise UsageError(
                f"{about.specification} is no longer the {name} of the run: its {fact} was {about.described[fact]} and is now"
                f" {runtime.described[fact]}; start a new run"
            )
    return dataclasses.replace(runtime, name=name)
