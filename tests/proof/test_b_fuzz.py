"""Whatever stands in a file that is read, and whatever is given to an option: a documented status, and never a traceback."""

import copy
import json
import os
import pathlib
import random
import shutil
import sys

import click
import pyperf
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.cli import main
from bench.host.results import calibration, power, store
from bench.host.results.records import ClaimsRecord
from tests.host.conftest import CommandLine

ROOT = pathlib.Path(__file__).resolve().parents[2]
DAMAGES = int(os.environ.get("MICROGPT_BENCH_DAMAGES", "8"))  # of each file, for each command
EVERY = settings(
    max_examples=DAMAGES,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    database=None,
)


def asked(*arguments):
    """The command line with these arguments, in this process; what every end must be like."""
    done = CliRunner().invoke(CommandLine(), [str(argument) for argument in arguments])
    said = f"{arguments}: {done.exit_code}\n{done.output[-2000:]}"
    if done.exit_code == 70:
        said += pathlib.Path(done.stderr.strip().rpartition("report it with ")[2]).read_text()
    assert done.exit_code in (0, 1, 2, 3), said
    assert "Traceback" not in done.output, said
    if done.exit_code == 2:
        lines = [line for line in done.stderr.strip().splitlines() if line.startswith("microgpt-bench: ")]
        assert len(lines) == 1 and done.stderr.strip().endswith(lines[0]), said
    return done


# --------------------------------------------------------------------- files

VALUES = [
    None,
    True,
    False,
    0,
    1,
    -1,
    2,
    10**30,
    -(10**400),
    0.5,
    1e-320,
    1e300,
    float("nan"),
    float("inf"),
    float("-inf"),
    "",
    "x",
    "ok",
    "nan",
    "0x1p99999",
    "0xfp-5",
    "1e999",
    "../../x",
    "a\nb",
    "\0",
    "\ud800",
    "\x1b[2J",
    "x" * 3000,
    "failed",
    "bit-identical",
    [],
    {},
    [None],
    ["x"],
    [0, 0, 0],
    [1e300] * 3,
    {"x": 1},
    [[]],
]


def places(value, path=()):
    """Every place in a JSON value."""
    yield path
    if isinstance(value, dict):
        for name in value:
            yield from places(value[name], (*path, name))
    elif isinstance(value, list):
        for index in range(min(len(value), 3)):
            yield from places(value[index], (*path, index))


def parent_of(value, path):
    for part in path[:-1]:
        value = value[part]
    return value


def damaged(raw, chance):
    """Bytes of a JSON file with one or two things wrong in it."""
    how = chance.choice(
        ["value"] * 6 + ["drop"] * 3 + ["double", "rename", "truncate", "bytes", "empty", "deep", "other"]
    )
    if how in ("truncate", "bytes", "empty", "deep", "other"):
        if how == "truncate":
            return raw[: chance.randrange(len(raw))]
        if how == "bytes":
            changed = bytearray(raw)
            for _ in range(3):
                changed[chance.randrange(len(raw))] = chance.randrange(256)
            return bytes(changed)
        return {
            "empty": b"",
            "deep": b"[" * 100_000,
            "other": chance.choice([b"[]", b"5", b"null", b'"x"', b"\xff\xfe"]),
        }[how]
    value = json.loads(raw)
    for _ in range(chance.randint(1, 2)):
        path = chance.choice([path for path in places(value) if path] or [()])
        if not path:
            break
        parent, last = parent_of(value, path), path[-1]
        if how == "value":
            parent[last] = copy.deepcopy(chance.choice(VALUES))
        elif how == "drop":
            del parent[last]
        elif how == "double" and isinstance(parent, list):
            parent.append(copy.deepcopy(parent[last]))
        elif isinstance(parent, dict):
            parent[chance.choice(["", "x", "../x", "\n", "\ud800", "a@b"])] = parent.pop(last)
    return json.dumps(value).encode()


GATE = {
    "against": "abc",
    "gate": {"threshold": 0.01, "confidence": 0.95, "looks": [8, 16]},
    "cells": [
        {
            **{
                "engine": "vector",
                "runtime": ".".join(map(str, ("cpython-3", sys.version_info[1]))),
                "word": "PASS",
                "against": "abc",
            },
            "ratio": {"value": 1.0, "low": 0.99, "high": 1.01, "rounds": 8, "outliers": 0},
            **{"claimed": None, "rounds": 8, "parity": "bit-identical", "reason": "", "instructions": 1.0},
        }
    ],
}


@pytest.fixture(scope="module")
def everything(kept_once, tmp_path_factory):
    """A results folder with a small one of every kind of file that is read."""
    top = tmp_path_factory.mktemp("everything")
    folder = top / "results"
    shutil.copytree(kept_once, folder)
    run = store.load(folder / "small")
    (runtime,) = run.record.runtimes
    cell = {"cycle": 2, "instructions": 1000.5, "steps": [3, 11], "nodes": 5.0, "blocks": 2.0, "peak_bytes": 10.0}
    cells = {
        f"{engine}@{runtime}": {**cell, "collector_share": 0.1, "collections": 1.0} for engine in run.record.engines
    }
    written = {"schema": 1, "created": "2026-01-01", "valgrind": "", "notes": ["a note"], "cells": cells}
    (folder / "small" / "counters.json").write_text(json.dumps(written))
    counts = {"_PyEval_EvalFrameDefault": [90.5, 3.0, 1.0], "gc_collect_main": [9.5, 3.0, 2.0]}
    broken = {"phases": dict.fromkeys(("forward", "sort"), counts), "samples": {"PyTuple_New": 2}, "failed": ""}
    broken = {"schema": 1, "valgrind": "", "perf": "", "cells": dict.fromkeys(cells, broken)}
    (folder / "small" / "breakdown.json").write_text(json.dumps(broken))
    table = {"title": "t", "above": ["a"], "headers": ["x", "y"], "rows": [["1", "2"]], "below": []}
    (folder / "small" / "gate.json").write_text(json.dumps({"schema": 1, "exit_status": 0, "table": table, **GATE}))
    shutil.copytree(ROOT / "results" / "scale", folder / "scale")
    shutil.copytree(ROOT / "results" / "threads", folder / "threads")
    scale = json.loads((folder / "scale" / "scale.json").read_text())
    scale["points"] = [point for point in scale["points"] if point["engine"] in ("reference", "vector", "compiled")]
    (folder / "scale" / "scale.json").write_text(json.dumps(scale))
    shutil.copytree(ROOT / "results" / "peers", folder / "peers")
    shutil.copytree(ROOT / "results" / "calibration", folder / "calibration")
    claims = json.loads((ROOT / "results" / "default" / "claims.json").read_text())
    claims["runtimes"] = {runtime: next(iter(claims["runtimes"].values()))}
    (folder / "claims.json").write_text(json.dumps(claims))
    before = pathlib.Path.cwd()
    os.chdir(top)
    try:
        (top / "documents.txt").write_text("ab\na\ncabbage\nbead\ndecade\nb\n")
        sizes = ["--n-embd", "4", "--n-head", "1", "--block-size", "4", "--data", "documents.txt"]
        asked("train", "--engine", "vector", "--steps", "1", "--save", "model.json", *sizes)
    finally:
        os.chdir(before)
    return top


READERS = {  # of each kind of file: the commands that read it
    "results/small/run.json": [
        ["show", "small"],
        ["show", "small", "--format", "json"],
        ["compare", "small", "other", "--allow-mismatch"],
        ["report", "small"],
        ["history"],
        ["history", "--ratio", "vector/fused_dot"],
        ["count", "small", "--engine", "nothing"],
        ["claims", "small"],
        ["explain", "small", "--python", "nothing"],
        ["run", "--resume", "small"],
    ],
    "results/small/rounds/001.json": [
        ["show", "small"],
        ["compare", "other", "small", "--allow-mismatch"],
        ["report", "small"],
        ["history", "--ratio", "vector"],
        ["run", "--resume", "small"],
    ],
    "results/small/counters.json": [["show", "small"]],
    "results/small/gate.json": [["report", "small"]],
    "results/scale/scale.json": [["scale", "--show", "scale"], ["scale", "--show", "scale", "--format", "json"]],
    "results/threads/threads.json": [
        ["threads", "--show", "threads"],
        ["threads", "--show", "threads", "--format", "json"],
    ],
    "results/peers/peers.json": [["peers", "--show", "peers"], ["peers", "--show", "peers", "--format", "json"]],
    "results/peers/run.json": [["peers", "--show", "peers"]],
    "model.json": [["generate", "--model", "model.json", "--samples", "1"]],
    "timings": [["compare", "timings", "small"], ["compare", "timings", "timings"]],
}


@pytest.fixture
def world(everything, tmp_path):
    """A copy of everything, to damage."""
    shutil.copytree(everything, tmp_path, dirs_exist_ok=True)
    shutil.copytree("results/small", "results/other")
    (path,) = pathlib.Path("results/small/timings").glob("*.json")
    shutil.copy(path, "timings")
    return tmp_path


@pytest.mark.parametrize("file", READERS)
def test_b6_damaged_files(world, file):
    path = pathlib.Path(file)
    raw = path.read_bytes()
    for command in READERS[file]:
        assert asked(*command).exit_code in (
            (0, 1, 2) if command[0] in ("count", "claims", "explain", "run") else (0, 1)
        )

    @EVERY
    @given(st.integers(0, 2**60))
    def every_damage(seed):
        path.write_bytes(damaged(raw, random.Random(seed)))
        for command in READERS[file]:
            if command[:2] == ["run", "--resume"] and path.name == "run.json" and seed % 4:
                continue  # asks an interpreter what it is
            asked(*command)

    every_damage()


@pytest.mark.parametrize("command", ["calibrate --add", "run", "claims", "breakdown"])
def test_b6_damaged_files_of_commands_that_measure(world, monkeypatch, command):
    """Calibrations and experiments are read by commands that measure: here they find something else to refuse."""
    from bench.host.pages import breakdown as breakdown_page
    from bench.host.pages.breakdown_numbers import broken
    from bench.host.results import breakdown, claims_checks
    from bench.host.system import machine

    if command == "claims":
        path = pathlib.Path("results/claims.json")

        def read():
            store.read(path, ClaimsRecord, claims_checks.check_claims)

    elif command == "breakdown":
        path, run = pathlib.Path("results/small/breakdown.json"), store.load(pathlib.Path("results/small"))

        def read():
            record = breakdown.kept(run)
            if "reference" in {engine for engine, _ in broken(run, record)}:
                breakdown_page.page(run, record)

    else:
        (path,) = pathlib.Path("results/calibration").glob("*.json")
        monkeypatch.setattr(machine, "describe", lambda: {"identity": path.stem})

        def read():
            found = calibration.load(path)
            calibration.sees(found)
            power.rates(found)

    raw = path.read_bytes()
    read()

    @EVERY
    @given(st.integers(0, 2**60))
    def every_damage(seed):
        path.write_bytes(damaged(raw, random.Random(seed)))
        try:
            read()
        except store.UsageError as error:
            assert "\n" not in str(error) and str(path) in str(error)

    every_damage()


@pytest.mark.parametrize("value", [0.0, -1.0, 1e400, float("nan"), 1e-320])
def test_b6_times_that_are_none_in_a_pyperf_file(kept, value):
    (path,) = pathlib.Path("results/small/timings").glob("*.json")
    text = path.read_text()
    number = json.loads(text)["benchmarks"][0]["runs"][0]["values"][0]
    assert repr(number) in text
    pathlib.Path("changed.json").write_text(
        text.replace(repr(number), "1e400" if value == 1e400 else json.dumps(value))
    )
    done = asked("compare", "changed.json", "small")
    assert done.exit_code == 2 and "nan" not in done.stdout
    pyperf.BenchmarkSuite.load(str(path))


def test_b6_history_skips_what_it_cannot_read(kept):
    shutil.copytree("results/small", "results/other")
    pathlib.Path("results/other/run.json").write_text("[" * 100_000)
    done = asked("history")
    assert (
        done.exit_code == 0 and "small" in done.stdout and "not read: results/other/run.json is damaged" in done.stdout
    )


TOML = [
    "",
    "[",
    "x = " + "[" * 100_000,
    "peers = 5",
    "[peers]",
    '[peers."a\\nb"]\ncommand = ["true"]',
    '[peers.a]\ncommand = "true"',
    '[peers.a]\ncommand = ["tr\\u0000ue"]',
    '[peers.a]\ncommand = "un\'closed"\nshell = true',
    '[peers.a]\ncommand = ""\nshell = true',
    '[peers.a]\ncommand = ["true"]\nenv = {"A=B" = "x"}',
    '[peers.a]\ncommand = ["true"]\nenv = {A = "\\u0000"}',
    '[peers.a]\ncommand = ["true"]\nenv = {A = 1}',
    '[peers.a]\ncommand = ["true"]\nenv = []',
    '[peers.a]\ncommand = ["true"]\ncwd = "\\u0000"',
    '[peers.a]\ncommand = ["true"]\ncwd = "nowhere"',
    '[peers.a]\ncommand = ["true"]\npattern = "("',
    '[peers.a]\ncommand = ["true"]\npattern = "(?P<loss>a{9999999999999999})"',
    '[peers.a]\ncommand = ["true"]\nschedule_steps = nan',
    '[peers.a]\ncommand = ["true"]\nschedule_steps = 1979-05-27',
    '[peers.a]\ncommand = ["true"]\nrng = []',
    '[peers.a]\ncommand = ["true"]\nrng = 1979-13-27',
    "[peers.a]\ncommand = []\ncommand = []",
    "peers.a.command = 0x" + "f" * 10_000,
    "[[peers.a]]",
]


@pytest.mark.parametrize("text", TOML, ids=range(len(TOML)))
def test_b6_peers_files(text):
    pathlib.Path("p.toml").write_text(text)
    assert asked("peers", "p.toml", "--python", "nothing").exit_code == 2


@pytest.mark.skipif(os.name != "posix", reason="named pipes")
def test_b6_files_that_may_never_end(world):
    for file, commands in READERS.items():
        path = pathlib.Path(file)
        path.unlink()
        os.mkfifo(path)
        for command in commands:
            asked(*command)
    os.mkfifo("pipe.toml")
    assert asked("peers", "pipe.toml").exit_code == 2
    assert asked("show", "pipe.toml").exit_code == 2
    os.mkfifo("engine.py")
    assert asked("run", "--engine", "engine.py", "--python", sys.executable).exit_code == 2


# --------------------------------------------------------------------- options

ODD = [
    "",
    " ",
    "nan",
    "inf",
    "-inf",
    "1e999",
    "1e300",
    "1e-320",
    "-1",
    "-0.0",
    "0",
    "²",
    "１",
    "1_0",
    "9" * 18,
    "9" * 5000,
    "0x10",
    "0.5",
    "nans",
    "x",
    "x=nan",
    "x=1e999",
    "0.1:inf",
    "=",
    ":",
    "/",
    "//",
    ".",
    "..",
    "-",
    "--",
    "~",
    "%s{}",
    "/dev/null",
    "/dev/null/x",
    "a\nb",
    "a\0b",
    "\ud800",
    "\x1b[2J",
    "é→\u202e",
    "x" * 5000,
    "'unclosed",
    "[]",
    "latest",
    "1,2,²",
    "0-99999999999",
    "1,,2",
    "5,3",
]
NOWHERE = ["--python", "nothing-such"]  # refused before anything starts
REFUSED = {  # what stands before the odd option, so that nothing is measured whatever it is
    "bisect": ["nothing", "--engine", "nothing"],
    "run": NOWHERE,
    "check": NOWHERE,
    "calibrate": NOWHERE,
    "scale": NOWHERE,
    "interactions": NOWHERE,
    "threads": NOWHERE,
    "peers": ["p.toml", *NOWHERE],
    "profile": ["tape", *NOWHERE],
    "show": ["small"],
    "warmup": ["small"],
    "compare": ["small", "other"],
    "count": ["small", "--engine", "nothing"],
    "explain": ["small", *NOWHERE],
    "breakdown": ["small", "--engine", "nothing"],
    "claims": ["small"],
    "merge": ["small"],
    "report": ["small"],
    "history": [],
    "engines": [],
    "train": ["--engine", "nothing"],
    "generate": ["--engine", "nothing"],
    "ladder": ["--data", "documents.txt"],
}
TINY = ["--n-embd", "4", "--n-head", "1", "--block-size", "4", "--data", "documents.txt", "--engine", "vector"]
DOES = {  # the same where it is quick enough to be done, but for the options that say how much
    "train": ([*TINY, "--steps", "1", "--samples", "1"], ["--steps", "--samples"]),
    "generate": (["--model", "model.json", "--samples", "1"], ["--steps", "--samples"]),
}


def odd_values(name):
    """Some of them, other ones for each option; all where so many are wanted."""
    return random.Random(name).sample(ODD, min(len(ODD), DAMAGES // 2))


def try_options(command, before, without=()):
    pathlib.Path("p.toml").write_text('[peers.a]\ncommand = ["true"]\n')
    for parameter in main.cli.get_command(None, command).params:
        if isinstance(parameter, click.Argument):
            for value in odd_values(f"{command} {parameter.name}"):
                asked(command, *before[1:], "--", *[value] * parameter.nargs)
        elif parameter.is_flag:
            asked(command, *before, parameter.opts[0])
        elif not {*parameter.opts} & {*without}:
            for value in odd_values(f"{command} {parameter.opts[0]}"):
                asked(command, *before, f"{parameter.opts[0]}={value}")


@pytest.mark.parametrize(
    "command",
    [pytest.param(name, marks=pytest.mark.slow) if name == "report" else name for name in sorted(main.COMMANDS)],
)
def test_b6_every_option_with_odd_values(world, command):
    assert command in REFUSED, "say here how this command is refused"
    try_options(command, REFUSED[command])


@pytest.mark.parametrize("command", sorted(DOES))
def test_b6_odd_values_of_what_is_done(world, command):
    try_options(command, *DOES[command])


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "--threshold", "nan"],
        ["check", "--threshold", "inf"],
        ["calibrate", "--threshold", "nan"],
        ["calibrate", "--count-slowdown", "nan"],
        ["train", "--temperature", "nan"],
        ["scale", "--n-embd", "²,3"],
        ["run", "--affinity", "²"],
        ["run", "--affinity", "0-9999999999"],
        ["run", "--steps", "9" * 20],
        ["run", "--steps", "１"],
        ["run", "--budget", "nan"],
    ],
)
def test_b6_numbers_that_are_none(bench_command, arguments):
    done = asked(*arguments)
    assert done.exit_code == 2 and not pathlib.Path("results").exists()


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--weight-decay", "1e300"], "weight decay"),
        (["--learning-rate", "1e300"], "learning rate"),
        (["--learning-rate", "1e150", "--weight-decay", "1e150"], "learning rate"),
        (["--n-layer", "12", "--engine", "reference"], "another engine, such as iterative"),
        (["--n-layer", "99999"], "n_layer"),
        (["--n-embd", "999999999999", "--n-head", "1"], "n_embd"),
    ],
)
@pytest.mark.parametrize("command", ["train", "generate"])
def test_b6_training_that_goes_wrong(command, arguments, said):
    kept = ["--losses", "losses.txt"] if command == "train" else []
    done = asked(
        command,
        "--steps",
        "20",
        "--samples",
        "1",
        *kept,
        *(["--engine", "vector"] * ("reference" not in arguments)),
        *arguments,
    )
    assert done.exit_code == 2 and (said in done.stderr or "too large" in done.stderr)
    if command == "train" and "rate" in said:
        assert pathlib.Path("losses.txt").read_text().startswith("0x1.")


def test_b6_a_users_engine_that_fails_is_no_fault_of_ours(documents):
    path = pathlib.Path("mine.py")
    path.write_text(
        "import dataclasses\nfrom engines import load\nBASE = load('fused_dot')\n"
        "def broken(loss):\n    return {}['nothing']\n"
        "ENGINE = dataclasses.replace(BASE, name='mine', parent='fused_dot', backward=broken)\n"
    )
    done = asked("train", "--engine", path, "--data", documents, "--steps", "2")
    assert done.exit_code == 2 and "KeyError" in done.stderr and "mine.py" in done.stderr
