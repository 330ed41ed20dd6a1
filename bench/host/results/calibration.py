"""What a machine can see: ``calibration/IDENTITY.json`` in a results folder, the trials of its gate."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Mapping

import cattrs

from bench.host.results import checks, store
from bench.host.stats.sequential import Gate
from bench.host.system import machine
from bench.host.system.errors import UsageError
from bench.workload.model_file import write_atomically


@dataclasses.dataclass(frozen=True)
class Trial:
    """One comparison brought to its end: by how much one side was slowed down, and what was said of it.

    ``baseline`` and ``seconds`` are both sides' mean seconds per step, a value a round, ``logs`` the rounds' log-ratios.
    """

    slowdown: float
    burning: bool
    verdict: str
    rounds: int
    took_seconds: float
    budget_seconds: float
    ratio: float | None
    logs: list[float]
    baseline: list[float]
    seconds: list[float]


@dataclasses.dataclass(frozen=True)
class CountTrial:
    """Instructions of one copy over another's, whose engine file has a comment more, by the gate's rule."""

    slowdown: float
    ratio: float


@dataclasses.dataclass(frozen=True)
class Calibration:
    """All trials, and on what: schema 1 of ``calibration/IDENTITY.json`` in a results folder."""

    schema: int
    created: str
    command: str
    engine: str
    runtime: str
    build: str
    steps: int
    budget_seconds: float
    gate: Gate
    machine: dict[str, str | int | float]
    trials: list[Trial]
    counts: list[CountTrial] = dataclasses.field(default_factory=list)
    found_80: float | None = None  # the smallest slowdown that 80 % of checks find, filled in at the end
    found_95: float | None = None


def sees(calibration: Calibration, whose: str = "this machine") -> str:
    """The line that later runs show."""
    often, mostly = calibration.found_95, calibration.found_80
    if often is None or mostly is None:
        return f"what {whose} can see is not known: too few trials of equal copies, or too much noise"
    budget = calibration.budget_seconds
    return (
        f"{whose} can see a slowdown of {often:.2%} or more in 95 % of checks, {mostly:.2%} in 80 %"
        f" (one engine, {budget:.0f} s; calibrated {calibration.created[:10]} with {calibration.engine} on {calibration.runtime})"
    )


def path_in(folder: pathlib.Path) -> pathlib.Path:
    """Where this machine's calibration is kept in a results folder."""
    return path_of(folder, machine.describe())


def path_of(folder: pathlib.Path, about: Mapping[str, str | int | float]) -> pathlib.Path:
    """Where that of a machine that is described so is kept."""
    return folder / "calibration" / f"{about['identity']}.json"


def before(path: pathlib.Path, now: Calibration) -> Calibration:
    """What is on disk, to add to. Raises UsageError where that is another engine, build, gate or way of measuring."""
    earlier = load(path)
    for what in ("engine", "runtime", "build", "steps", "gate"):
        if getattr(earlier, what) != getattr(now, what):
            raise UsageError(f"{path} is of another {what} ({getattr(earlier, what)}): leave --add out to replace it")
    return earlier


def make_folder(path: pathlib.Path) -> None:
    """Make the folder that it is to be kept in. Raises UsageError where that cannot be done."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}: choose another --results folder") from None


def save(path: pathlib.Path, calibration: Calibration) -> None:
    """Write it, whole or not at all. Raises UsageError where that cannot be done."""
    make_folder(path)
    try:
        write_atomically(path, json.dumps(cattrs.unstructure(calibration), indent=None) + "\n")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}: choose another --results folder") from None


def load(path: pathlib.Path) -> Calibration:
    """Read it. Raises UsageError for a missing, damaged or newer one."""
    return store.read(path, Calibration, checks.check_calibration)


def note(folder: pathlib.Path, about: Mapping[str, str | int | float] | None = None) -> list[str]:
    """A line on what this machine can see, or another one with such a processor, or nothing where neither is known.

    ``about``: a machine of a pool, in place of this one.
    """
    here, others = about or machine.describe(), []
    this = "this machine" if about is None else "a machine of this pool"
    for path in sorted((folder / "calibration").glob("*.json")):
        try:
            calibration = load(path)
        except UsageError as error:
            if path == path_of(folder, here):
                return [f"what {this} can see is not known: {error}"]
            continue
        if calibration.machine.get("identity") == here["identity"]:
            return [sees(calibration, this)]
        if calibration.found_95 is not None and all(
            calibration.machine.get(name) == here[name] for name in ("cpu", "cores")
        ):
            others.append(calibration)
    if not others:
        return []
    whose = f"another machine of {here['cores']} such processors ({here['cpu']})"
    newest = max(others, key=lambda calibration: calibration.created)
    return [f"{sees(newest, whose)}; microgpt-bench calibrate measures what this one can see"]
