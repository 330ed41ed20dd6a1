"""Like with like: which builds of Python are made alike, what the table says of the others, which one a version means."""

import os
import sys

import pytest

from bench.host.results import builds
from bench.host.results.records import RuntimeRecord
from bench.host.system import interpreters
from bench.workload import runtime

PLAIN = {**runtime.describe(), "implementation": "cpython", "compiler": "GCC 12.2.0", "optimization": "-O3", "pgo": False,
         "lto": False, "frame_pointers": False, "debug": False, "free_threaded": False, "gil": True, "jit": "none",
         "other_jits": "", "optimize": 0, "dev_mode": False, "launcher": ""}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, []),
        ({"version": "3.99.0", "python": "3.99.0", "build": "another"}, []),
        ({"jit": "off"}, []),  # built in and not at work
        ({"compiler": "GCC 12.2.0 20220101"}, []),
        ({"compiler": "GCC 16.2.0"}, ["GCC 16.2.0"]),
        ({"compiler": "Clang 19.1.7 (3)"}, ["Clang 19.1.7"]),
        ({"optimization": "-O2"}, ["-O2"]),
        ({"pgo": True, "lto": True}, ["PGO", "LTO"]),
        ({"frame_pointers": True}, ["frame pointers"]),
        ({"debug": True}, ["debug build"]),
        ({"free_threaded": True, "gil": False}, ["free-threaded build", "GIL off"]),
        ({"jit": "on"}, ["JIT on"]),
        ({"other_jits": "cinderx 1.0 on"}, ["JIT cinderx 1.0 on"]),
        ({"launcher": "in-a-container"}, ["started by in-a-container"]),
        ({"optimize": 2}, ["PYTHONOPTIMIZE=2"]),
        ({"dev_mode": True}, ["development mode"]),
        ({"implementation": "pypy", "compiler": "GCC 10", "jit": "none"}, ["pypy"]),
    ],
)
def test_differences_of_builds(change, words):
    assert builds.differences(PLAIN, {**PLAIN, **change}) == words
    back = builds.differences({**PLAIN, **change}, PLAIN)
    assert len(back) == len(words) and (not words or change.get("compiler") or change.get("optimization") or back)


def test_what_the_base_has_and_the_other_has_not():
    assert builds.differences({**PLAIN, "pgo": True, "frame_pointers": True}, PLAIN) == ["no PGO", "no frame pointers"]
    old = {name: value for name, value in PLAIN.items() if name != "frame_pointers"}  # a run of an earlier version
    assert builds.differences(old, PLAIN) == []


@pytest.mark.parametrize(
    ("flags", "kept"),
    [
        ("-O2", False),
        ("-fno-omit-frame-pointer -mno-omit-leaf-frame-pointer -O2", True),
        ("-fno-omit-frame-pointer -O2 -fomit-frame-pointer", False),
        ("-fomit-frame-pointer -fno-omit-frame-pointer", True),
    ],
)
def test_frame_pointers(flags, kept):
    assert runtime.frame_pointers(flags) is kept


def test_the_largest_group_of_alike_builds():
    def record(**change):
        return RuntimeRecord("x", {}, {**PLAIN, **change})

    runtimes = {"a": record(pgo=True), "b": record(), "c": record(version="3.99.1"), "d": record(optimization="-O2")}
    assert builds.alike(runtimes) == ["b", "c"]
    assert builds.lines("b", runtimes, ["a", "c", "d"]) == ["a: not built like b: PGO", "d: not built like b: -O2"]


def test_the_table_across_runtimes_marks_what_is_not_built_alike(small_run):
    switched = ["--env", "PYTHONOPTIMIZE=1"]
    done = small_run("--engine", "reference", *switched)
    across = done.stdout[done.stdout.index("over the same engine on") :]
    assert "PYTHONOPTIMIZE_1*" in across.replace("=", "_") and "not built like" in across, across


def test_which_build_of_a_version_is_taken_is_said(tmp_path, monkeypatch):
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    first = interpreters.resolve(own, {})
    assert interpreters.also_found(first) == "" or first.executable in interpreters.also_found(first)
    other = "/elsewhere/python"
    monkeypatch.setattr(interpreters, "_candidates", lambda wanted, first=False: [first or os.sep, other])
    line = interpreters.also_found(first)
    assert (
        line.startswith(f"{first.name} is {first.executable}") and other in line and "choose with --python PATH" in line
    )
    assert interpreters.also_found(interpreters.resolve(sys.executable, {})) == ""  # a path means itself
