"""Which command made a run, and which runs each command takes."""

import json
import os
import pathlib
import shutil
import sys

import pytest

from bench.host.results import kinds
from bench.host.system.errors import UsageError
from tests.host.conftest import SMALL

SCALE = ["--n-embd", "8,16", "--n-layer", 1, "--block-size", 4, "--steps", 1, "--min-time", "0.001", "--engine", "tape"]


@pytest.fixture
def one_of_each(small_run, bench_command, documents, monkeypatch):
    """Runs of every kind, named after it, run's the oldest."""
    assert small_run("--engine", "tape", "--rounds", 1, "--name", "run").exit_code == 0
    common = ["--python", sys.executable, "--data", documents]
    check = [
        *common,
        *SMALL,
        "--steps",
        3,
        "--engine",
        "tape",
        "--baseline",
        "run",
        "--allow-mismatch",
        "--budget",
        "3s",
    ]
    done = bench_command("check", *check, "--name", "check")
    assert "Against run" in done.stdout, done.output  # whatever its verdict
    assert bench_command("scale", *common, *SCALE, "--rounds", 1, "--name", "scale").exit_code == 0
    monkeypatch.setattr("bench.host.measure.threads.TURN_SECONDS", 0.001)
    threads = ["--threads", "1,2", "--engine", "tape", "--rounds", 1, "--steps", 2, "--name", "threads"]
    assert bench_command("threads", *common, *SMALL[:6], *threads).exit_code == 0
    pathlib.Path("peers.toml").write_text("[peers.x]\ncommand = ['true']\n")
    assert bench_command("peers", "peers.toml", *common, *SMALL, "--steps", 2, "--name", "peers").exit_code == 1
    shutil.copytree("results/run", "results/interactions")  # the other files of one are not looked at here
    record = pathlib.Path("results/interactions/run.json")
    record.write_text(record.read_text().replace('"kind": "run"', '"kind": "interactions"'))
    for age, kind in enumerate(kinds.KINDS):  # whatever the clock's grain
        os.utime(f"results/{kind}/run.json", (1e9 + age, 1e9 + age))


TAKES = {
    ("show",): ["run"],
    ("count", "--engine", "tape"): ["run"],
    ("run", "--resume"): ["run"],
    ("compare", "run"): ["run", "peers"],
    ("claims",): ["run"],
    ("explain", "--seconds", "0.2s"): ["run"],
    ("breakdown", "--engine", "nothing"): ["run"],
    ("report",): ["run", "check", "peers"],
    ("scale", "--show"): ["scale"],
    ("peers", "--show"): ["peers"],
    ("interactions", "--show"): ["interactions"],
    ("threads", "--show"): ["threads"],
}


@pytest.mark.slow
def test_commands_say_which_runs_they_take(one_of_each, bench_command):
    for kind in kinds.KINDS:
        assert json.loads(pathlib.Path(f"results/{kind}/run.json").read_text())["kind"] == kind
    for command, taken in TAKES.items():
        for kind in kinds.KINDS:
            for run in (kind, f"results/{kind}", f"results/{kind}/run.json"):
                if kind in taken:
                    continue
                done = bench_command(*command, run)
                assert done.exit_code == 2, (command, run, done.output)
                said = f"was made by microgpt-bench {kind}, but this command reads what microgpt-bench {taken[0]}"
                assert said in done.stderr and done.stderr.count("\n") == 1
    assert bench_command("show", "latest").stdout == bench_command("show", "run").stdout
    assert bench_command("count", "--engine", "tape").stderr.endswith("saved in results/run\n")
    assert "run/report.html" not in bench_command("report").stdout  # the check's
    assert bench_command("scale", "--show", "latest").stdout == bench_command("scale", "--show", "scale").stdout
    assert "x failed" in bench_command("peers", "--show", "latest").stdout
    assert bench_command("run", "--resume", "latest").exit_code == 0


def made(name, text, **files):
    folder = pathlib.Path("results") / name
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(text)
    for file, content in files.items():
        (folder / f"{file}.json").write_text(content)
    return folder


def test_kinds_of_older_runs_are_told_by_their_files():
    old = json.dumps({"schema": 1, "command": "microgpt-bench run"})
    assert kinds.kind_of(made("a", old)) == "run"
    assert kinds.kind_of(made("b", old, scale="{}")) == "scale"
    assert kinds.kind_of(made("c", old, peers="{}")) == "peers"
    assert kinds.kind_of(made("d", old, gate="{}")) == "check"
    assert (
        kinds.kind_of(made("e", json.dumps({"command": "microgpt-bench scale --n-embd 8"}))) == "scale"
    )  # interrupted
    assert kinds.kind_of(made("f", json.dumps({"kind": "peers"}))) == "peers"
    for number, damaged in enumerate(("{", "[]", "null", '{"kind": ["run"], "command": 3}', '{"kind": "dance"}', "")):
        assert kinds.kind_of(made(f"g{number}", damaged)) == "run"


def test_the_latest_of_none():
    made("a", json.dumps({"kind": "scale"}))
    for wanted, said in ((["run"], "no run in results yet: microgpt-bench run makes one"),
                         (["peers"], "no run of peers in results yet: microgpt-bench peers makes one")):  # fmt: skip
        with pytest.raises(UsageError, match=said):
            kinds.find(pathlib.Path("latest"), pathlib.Path("results"), wanted)


# --------------------------------------------------------------------- what a run's record is good for


def test_explain_profiles_the_runtime_that_it_names(small_run, bench_command, monkeypatch):
    from bench.host.measure import profiler

    done = small_run("--engine", "tape", "--rounds", 1, "--env", "PYTHONOPTIMIZE=1")
    assert done.exit_code == 0, done.output
    seen = []

    def top_functions(subject):
        seen.append((subject.runtime.name, subject.runtime.environment, subject.runtime.described["optimize"]))
        return [("backward (tape.py)", 1.0)]

    monkeypatch.setattr(profiler, "top_functions", top_functions)
    assert bench_command("explain", "small").exit_code == 0
    plain, switched = json.loads(pathlib.Path("results/small/run.json").read_text())["runtimes"]
    assert seen == [(switched, {"PYTHONOPTIMIZE": "1"}, 1)] * 2
    seen.clear()
    assert bench_command("explain", "small", "--python", plain).exit_code == 0
    assert seen == [(plain, {}, 0)] * 2


def test_explain_refuses_another_build_than_the_run_s(small_run, bench_command):
    assert small_run("--engine", "tape", "--rounds", 1).exit_code == 0
    path = pathlib.Path("results/small/run.json")
    record = json.loads(path.read_text())
    (name,) = record["runtimes"]
    record["runtimes"][name]["described"]["build"] = "3.11.7 (another)"
    path.write_text(json.dumps(record))
    done = bench_command("explain", "small")
    assert done.exit_code == 2 and f"is no longer the {name} of the run: its build was 3.11.7 (another)" in done.stderr


def test_scale_keeps_its_budget_and_says_what_it_left_out(bench_command, documents):
    options = ["--python", sys.executable, "--data", documents, *SCALE, "--rounds", 3, "--name", "s"]
    done = bench_command("scale", *options, "--budget", "0.1s")
    assert done.exit_code == 0, done.output
    assert "reference: 1 of 3 rounds, then the budget of 0 s was used up" in done.stderr
    assert "stopped before tape" in done.stderr and "tape not measured: the budget was used up" in done.stdout
    points = json.loads(pathlib.Path("results/s/scale.json").read_text())["points"]
    assert {point["engine"] for point in points} == {"reference"} and {len(p["seconds"]) for p in points} == {1}
