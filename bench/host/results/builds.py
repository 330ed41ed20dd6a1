"""Which builds of Python can be compared: those that differ in the version and in nothing else that changes their speed."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from bench.host.results.records import RuntimeRecord
from bench.host.system.progress import count
from bench.workload.runtime import jits

Described = Mapping[str, Any]
TRAITS = (
    "implementation", "compiler", "optimization", "PGO", "PGO task", "LTO", "tail calls", "frame pointers", "debug",
    "free threading", "GIL", "JIT", "allocator", "optimize", "development mode", "tracemalloc", "import times", "launcher",
)  # fmt: skip


def traits(described: Described) -> dict[str, str]:
    """What a build says of how it was made and switched, in words; "" where a trait is absent, or nothing is said of it.

    Debian's builds do not say whether they were made with PGO.
    """
    cpython = described["implementation"] == "cpython"
    return {
        "implementation": described["implementation"],
        # what a distribution adds to the version does not change the code that comes out
        "compiler": re.sub(r"^(\w+ [\d.]+).*", r"\1", described["compiler"]),
        "optimization": described["optimization"],
        "PGO": "PGO" if described["pgo"] else "",
        "PGO task": f"trained on {task}" if (task := described.get("profile_task")) else "",
        "LTO": "LTO" if described["lto"] else "",
        # of a run from before these were asked nothing is known, and so no difference is claimed
        "tail calls": "tail calls" if described.get("tail_calls") else "",
        "frame pointers": "frame pointers" if described.get("frame_pointers") else "",
        "debug": "debug build" if described["debug"] else "",
        "free threading": "free-threaded build" if described["free_threaded"] else "",
        "GIL": "" if described["gil"] else "GIL off",
        "JIT": f"JIT {jits(dict(described))}" if jits(dict(described)) not in ("none", "off") and cpython else "",
        "allocator": _allocator(described),
        "optimize": f"PYTHONOPTIMIZE={described['optimize']}" if described["optimize"] else "",
        "development mode": "development mode" if described["dev_mode"] else "",
        "tracemalloc": f"tracemalloc of {count(frames, 'frame')}" if (frames := described.get("tracemalloc")) else "",
        "import times": "import times" if described.get("import_times") else "",
        # it may emulate another processor, or hold the process to some of them
        "launcher": f"started by {described['launcher']}" if described.get("launcher") else "",
    }


def _allocator(described: Described) -> str:
    """In words, the allocator where it is not the one that such a build has by itself."""
    kind, _, hooks = described.get("allocator", "").partition(" ")
    usual = "mimalloc" if described["free_threaded"] else "pymalloc"
    own = described["debug"] or described["dev_mode"]  # which have the hooks by themselves
    return " ".join(([kind] if kind not in ("", usual) else []) + ([hooks] if hooks and not own else []))


def differences(base: Described, other: Described, but: Collection[str] = ()) -> list[str]:
    """In words, what the build ``other`` has that ``base`` has not, and the reverse: "-O2", "no PGO", "frame pointers".

    Empty where they are built and switched alike, whatever their versions, ``but`` for these of the TRAITS.
    """
    ours, theirs = traits(base), traits(other)
    if ours["implementation"] != theirs["implementation"]:
        # everything else follows from it
        return [] if "implementation" in but else [theirs["implementation"]]
    lacking = {name: "GIL on" if name == "GIL" else f"no {ours[name]}" for name in TRAITS}
    return [theirs[name] or lacking[name] for name in TRAITS if ours[name] != theirs[name] and name not in but]


def alike(runtimes: Mapping[str, RuntimeRecord]) -> list[str]:
    """The names of the largest group of runtimes that are built alike, the one with the first runtime among equals."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, runtime in runtimes.items():
        groups.setdefault(tuple(traits(runtime.described).values()), []).append(name)
    return max(groups.values(), key=len)


def lines(base: str, runtimes: Mapping[str, RuntimeRecord], names: Iterable[str]) -> list[str]:
    """A line for each of ``names`` that is not built like ``base``: what is not like with like."""
    notes = []
    for name in names:
        if different := differences(runtimes[base].described, runtimes[name].described):
            notes.append(f"{name}: not built like {base}: {', '.join(different)}")
    return notes
