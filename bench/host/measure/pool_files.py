"""A plan's files on their way to another machine: the workspace's, by path relative to it, and the plan with such paths."""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
from collections.abc import Mapping, Sequence

from bench.host.measure.plan import Plan
from bench.host.measure.trajectory import Trajectory
from bench.host.system.deadline import Deadline
from bench.host.system.interpreters import Runtime


def packed(folder: pathlib.Path) -> dict[str, bytes]:
    """The files of a workspace that a round is measured from, by path relative to it."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith(".")]
    kept = [path for path in files if "__pycache__" not in path.parts]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in kept}


def unpack(files: Mapping[str, bytes], folder: pathlib.Path) -> None:
    """Write them below another folder. Raises ValueError for a path that leads out of it."""
    for path, content in files.items():
        file = folder / pathlib.PurePosixPath(path)
        if folder not in file.resolve().parents:
            raise ValueError(f"{path} is not below the workspace")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def manifest(files: Mapping[str, bytes]) -> dict[str, str]:
    """The digests of files, by path."""
    return {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}


def portable(plan: Plan, folder: pathlib.Path) -> Plan:
    """A plan with paths relative to its workspace, for `placed`."""
    way = plan.trajectory
    return dataclasses.replace(
        plan,
        engines={
            row: dataclasses.replace(one, source=one.source.relative_to(folder)) for row, one in plan.engines.items()
        },
        documents=plan.documents.relative_to(folder),
        runtimes=[],
        trajectory=None if way is None else dataclasses.replace(way, folder=way.folder.relative_to(folder)),
    )


def placed(plan: Plan, folder: pathlib.Path, runtimes: Sequence[Runtime], seconds: float | None) -> Plan:
    """A portable plan whose files are in another folder, with so many seconds from now on."""
    way = plan.trajectory
    return dataclasses.replace(
        plan,
        engines={row: dataclasses.replace(one, source=folder / one.source) for row, one in plan.engines.items()},
        documents=folder / plan.documents,
        runtimes=list(runtimes),
        deadline=Deadline(seconds),
        trajectory=None if way is None else Trajectory(way.at, way.lead_in, folder / way.folder, way.sha256),
    )
