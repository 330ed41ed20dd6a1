"""Like with like: which builds of Python are made alike, what the table says of the others, which one a version means."""

import dataclasses
import json
import os
import pathlib
import sys
import types

import pytest

from bench.host.pages import across, charts
from bench.host.results import build_costs, builds, store
from bench.host.results.records import RuntimeRecord
from bench.host.stats.paired import Ratio
from bench.host.system import interpreters
from bench.host.system.errors import UsageError
from bench.workload import runtime

PLAIN = {**runtime.describe(), "implementation": "cpython", "compiler": "GCC 12.2.0", "optimization": "-O3", "pgo": False,
         "lto": False, "frame_pointers": False, "debug": False, "free_threaded": False, "gil": True, "jit": "none",
         "other_jits": "", "optimize": 0, "dev_mode": False, "launcher": "", "tail_calls": False, "profile_task": "",
         "allocator": "pymalloc", "tracemalloc": 0, "import_times": False}  # fmt: skip


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
        ({"free_threaded": True, "gil": False, "allocator": "mimalloc"}, ["free-threaded build", "GIL off"]),
        ({"jit": "on"}, ["JIT on"]),
        ({"other_jits": "cinderx 1.0 on"}, ["JIT cinderx 1.0 on"]),
        ({"launcher": "in-a-container"}, ["started by in-a-container"]),
        ({"tail_calls": True}, ["tail calls"]),
        ({"profile_task": "train.py"}, ["trained on train.py"]),
        ({"allocator": "mimalloc"}, ["mimalloc"]),
        ({"allocator": "malloc with debug hooks"}, ["malloc with debug hooks"]),
        (
            {"allocator": "pymalloc with debug hooks", "dev_mode": True},
            ["development mode"],
        ),  # which has the hooks by itself
        ({"tracemalloc": 2}, ["tracemalloc of 2 frames"]),
        ({"import_times": True}, ["import times"]),
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
    assert builds.differences({**PLAIN, "free_threaded": True, "gil": False}, {**PLAIN, "free_threaded": True}) == [
        "GIL on"
    ]
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


@pytest.mark.parametrize(
    ("arguments", "kept", "task"),
    [
        ("'--enable-optimizations' 'CC=/opt/gcc'", "'--enable-optimizations' 'CC=/opt/gcc'", ""),
        ("'PROFILE_TASK=/somewhere/train.py'", "'PROFILE_TASK=train.py'", "train.py"),
        (
            "'PROFILE_TASK=/a/b/t.py --steps 3 ../c/d.txt' '-x'",
            "'PROFILE_TASK=t.py --steps 3 d.txt' '-x'",
            "t.py --steps 3 d.txt",
        ),
        ("'PROFILE_TASK=-m test --pgo --timeout=90'", "'PROFILE_TASK=-m test --pgo --timeout=90'", ""),
    ],
)
def test_what_a_build_was_trained_on_is_told_without_folders(arguments, kept, task):
    assert runtime.without_folders(arguments) == kept
    assert runtime.profile_task(arguments) == task


@pytest.mark.parametrize(
    ("switch", "fact", "value"),
    [
        ("PYTHONMALLOC=malloc", "allocator", "malloc"),
        ("PYTHONMALLOC=debug", "allocator", "pymalloc with debug hooks"),
        ("PYTHONMALLOC=malloc_debug", "allocator", "malloc with debug hooks"),
        ("PYTHONTRACEMALLOC=3", "tracemalloc", 3),
        ("PYTHONPROFILEIMPORTTIME=1", "import_times", True),
        ("PYTHONDEVMODE=1", "allocator", "pymalloc with debug hooks"),
    ],
)
def test_switches_left_on_by_accident_are_told_by_the_interpreter(switch, fact, value):
    plain = interpreters.resolve(sys.executable, {})
    if plain.described["free_threaded"] and "MALLOC=" in switch:
        pytest.skip("it has mimalloc only")
    switched = interpreters.with_switches(plain, dict([switch.split("=")]))
    assert switched.described[fact] == value != plain.described[fact]
    assert builds.differences(plain.described, switched.described)


@pytest.mark.parametrize("switch", ["PYTHONMALLOC=default", "PYTHONTRACEMALLOC=0", "PYTHONOPTIMIZE=0", "PYTHON_JIT=0"])
def test_a_switch_that_changes_nothing_is_refused(switch):
    plain = interpreters.resolve(sys.executable, {})
    with pytest.raises(UsageError, match=f"{switch} has no effect on .* choose a build that supports it"):
        interpreters.with_switches(plain, dict([switch.split("=")]))


def test_an_allocator_that_is_not_there_is_refused():
    with pytest.raises(UsageError, match="does not run with PYTHONMALLOC=no_such"):
        interpreters.with_switches(interpreters.resolve(sys.executable, {}), {"PYTHONMALLOC": "no_such"})


def test_a_switch_that_no_python_of_the_matrix_takes_is_refused(bench_command):
    """Each is left out with a line; where all are, there is nothing to measure of what was asked for."""
    done = bench_command("run", "--env", "PYTHONMALLOC=no_such", "--rounds", 1)
    assert done.exit_code == 2 and "no Python here takes PYTHONMALLOC=no_such: " in done.stderr, done.output
    assert done.stderr.count("\n") == 1 and not pathlib.Path("results").exists()


def launcher(folder, name, *lines):
    """A program that starts the Python of the tests after some lines of shell."""
    path = folder / name
    path.write_text("\n".join(["#!/bin/sh", *lines, f'exec {sys.executable} "$@"', ""]))
    path.chmod(0o755)
    return path


@pytest.mark.skipif(os.name == "nt", reason="launchers are shell scripts")
def test_a_build_that_crashes_in_the_middle_fails_its_own_column_only(small_run, tmp_path):
    """It aborts at its eighth order, which is a step."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "import json, os\nreal, left = json.loads, [7]\n"
        "def loads(*args, **named):\n    left[0] -= 1\n    return real(*args, **named) if left[0] >= 0 else os.abort()\n"
        "json.loads = loads\n"
    )
    dies = launcher(tmp_path, "dies", f"export PYTHONPATH={site}")
    done = small_run("--engine", "tape", "--python", f"dies={dies}", "--steps", 6)
    run = store.load(pathlib.Path("results/small"))
    fine, other = run.record.runtimes
    assert done.exit_code == 1, done.output
    assert {engine: run.status((engine, fine))[0] for engine in run.record.engines} == {"reference": "ok", "tape": "ok"}
    assert run.speedup("tape", fine).low is not None
    for engine in run.record.engines:
        status, reason = run.status((engine, other))
        assert (status, "SIGABRT" in reason or "signal 6" in reason) == ("failed", True), reason
    table = done.stdout[done.stdout.index("over the same engine on") :]
    assert "failed" in table.splitlines()[4] + table.splitlines()[5]


def record(**change):
    return RuntimeRecord("x", {}, {**PLAIN, "config_args": "", **change})


def test_a_build_is_held_over_the_one_it_differs_least_from():
    """So that what is said of it is said of one change."""
    pgo, threads = (
        {"pgo": True, "config_args": "o"},
        {"free_threaded": True, "allocator": "mimalloc", "config_args": "t"},
    )
    runtimes = {
        "plain": record(),
        "pgo": record(**pgo),
        "clang": record(compiler="Clang 19.1.7", config_args="c"),
        "tail-call": record(compiler="Clang 19.1.7", tail_calls=True),
        "pgo-lto": record(**pgo, lto=True),
        "pgo-own": record(**pgo, profile_task="train.py"),
        "threads": record(**threads, gil=False),
        "threads+gil": record(**threads),
        "older": record(python="3.9.1", pgo=True),
        "older+jit": record(python="3.9.1", pgo=True, other_jits="pyston_lite 2.3.5"),
    }
    run = types.SimpleNamespace(record=types.SimpleNamespace(runtimes=runtimes))
    assert {name: build_costs.nearest(run, name, "plain") for name in runtimes if name != "plain"} == {
        "pgo": "plain",
        "clang": "plain",
        "tail-call": "clang",
        "pgo-lto": "pgo",
        "pgo-own": "pgo",
        "threads": "plain",
        "threads+gil": "threads",
        "older": "plain",
        "older+jit": "older",
    }


def told(speedups, mean=None, **more):
    """What is said of a build with such intervals."""
    ratios = {name: Ratio((low * high) ** 0.5, low, high, 5) for name, (low, high) in speedups.items()}
    low, high = mean or (1.0, 1.0)
    nothing = {"instructions": None, "as_counted": None, "memory": None, "swapped": []}
    one = build_costs.Cost("b", "a", ["PGO"], ratios, Ratio((low * high) ** 0.5, low, high, 5), **{**nothing, **more})
    return across.learned(one)


def test_what_is_said_of_a_build_follows_from_its_numbers():
    """Each rule, and the other side of its bound."""
    apart = {"tape": (1.48, 1.52), "compiled": (0.98, 1.02)}
    first, second = told(apart, (1.2, 1.3), swapped=[("tape", "compiled")])
    assert (
        first.startswith("PGO: 1.25 [1.20, 1.30] times as fast as a")
        and "from 1.00±2= (compiled) to 1.50±1 (tape)" in first
    )
    assert (
        "against compiled it moves tape by 50%" in second and "tape is faster than compiled here, and slower" in second
    )
    assert "no two engines change places" in told(apart, (1.2, 1.3))[1]
    overlap = {"tape": (1.0, 1.7), "compiled": (0.9, 1.5)}
    assert "depends" not in told(overlap, (1.1, 1.4))[1]
    assert "All styles gain about alike" in told({"tape": (1.1, 1.2), "compiled": (1.1, 1.21)}, (1.1, 1.2))[1]
    assert "All styles lose about alike" in told({"tape": (0.8, 0.9), "compiled": (0.8, 0.91)}, (0.8, 0.9))[1]
    assert "within 2.0 %, and no engine" in told({"tape": (0.98, 1.03), "compiled": (0.97, 1.02)}, (0.99, 1.02))[1]
    assert "for tape only" in told({"tape": (1.001, 1.03), "compiled": (0.97, 1.02)}, (0.99, 1.02))[1]
    assert "Too noisy to tell: all together it is between 0.90 and 1.10" in told({"tape": (0.9, 1.1)}, (0.9, 1.1))[1]
    alike = {"tape": (1.2, 1.3)}
    counted = {"instructions": 1.25, "as_counted": Ratio(1.25, 1.2, 1.3, 5)}
    assert told(alike, (1.2, 1.3), **counted)[2] == (
        "Instructions -20%, time of the same engines -20%: which leaves open whether an instruction takes more time or less."
    )
    counted["as_counted"] = Ratio(1.0, 0.9, 1.1, 5)
    assert "an instruction takes 25% more time" in told(alike, (1.2, 1.3), **counted)[2]
    counted["as_counted"] = None
    assert len(told(alike, (1.2, 1.3), **counted)) == 2


def test_builds_of_one_version_have_a_table_sentences_and_a_chart(small_run, bench_command, monkeypatch):
    done = small_run("--engine", "tape", "--env", "PYTHONOPTIMIZE=2", "--env", "PYTHONMALLOC=malloc")
    lines = done.stdout[done.stdout.index("over the same engine on") :].splitlines()
    assert [line.split()[0] for line in lines if line.startswith(("geometric", "memory  ", "tape"))] == [
        "tape",
        "geometric",
        "memory",
    ]
    said = [line for line in lines if "all engines together" in line]
    assert len(said) == 2 and "PYTHONOPTIMIZE=2: " in said[0] and "malloc: " in said[1]
    run = store.load(pathlib.Path("results/small"))
    chart = next(chart for chart in charts.charts(run) if chart.name == "builds")
    assert {value["engine"] for value in chart.spec["data"]["values"]} == {"reference", "tape"}
    assert not any(chart.name == "versions" for chart in charts.charts(run))
    monkeypatch.setattr(across, "MANY", 2)
    turned = across.table(run, next(iter(run.record.runtimes)))
    assert turned.headers == ["runtime", "reference", "tape", "geometric mean", "memory"] and len(turned.rows) == 3
    cost = build_costs.cost(run, *list(run.record.runtimes)[1::-1])
    assert dataclasses.asdict(cost)["memory"] == pytest.approx(float(turned.rows[1][-1]), rel=0.01)


@pytest.mark.newest
def test_the_page_of_builds_stops_where_the_numbers_no_longer_bear_its_text(tmp_path, monkeypatch, capsys):
    from docs import blocks

    blocks.floats()
    assert "accesses of the C stack more" in capsys.readouterr().out
    content = json.loads((blocks.BUILDS / "floats.json").read_text(encoding="utf-8"))
    for row in content["rows"]:
        if "stack" in row:
            row["stack"] = 1.0
    (tmp_path / "floats.json").write_text(json.dumps(content))
    with pytest.raises(SystemExit, match="no longer explain"):
        monkeypatch.setattr(blocks, "BUILDS", tmp_path)
        blocks.floats()
    monkeypatch.undo()
    with pytest.raises(SystemExit, match="others than the text speaks of"):
        blocks.by_function("newer", "compiled", "cpython-3.14", "cpython-3.14")
