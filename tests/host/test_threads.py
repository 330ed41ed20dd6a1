"""Several models at the same time: every loss of each is proven, what threads share is found, and bad input is refused."""

import json
import pathlib
import sys

import pytest

import bench

MODEL = ["--n-embd", "8", "--n-head", "2", "--block-size", "6"]


@pytest.fixture
def crowd(bench_command, documents, monkeypatch):
    monkeypatch.setattr("bench.host.measure.threads.TURN_SECONDS", 0.02)
    options = ["--python", sys.executable, "--data", documents, *MODEL, "--steps", 3, "--threads", "1,2", "--name", "t"]
    return lambda *extra: bench_command("threads", *options, *extra)


def test_a_crew_is_paired_with_one_model_alone(crowd, bench_command):
    done = crowd("--engine", "tape", "--rounds", 2)
    assert done.exit_code == 0, done.stderr
    threads = bench.load_threads("t")
    ways = [("threads", 1), ("threads", 2), ("processes", 2)]
    crews = [("reference", "threads", 1), *(("tape", *way) for way in ways)]  # the reference is there to prove it by
    assert [(crew.engine, crew.way, crew.count) for crew in threads.crews] == crews
    assert all(len(crew.seconds) == 2 for crew in threads.crews[1:])
    assert all(crew.parity == "bit-identical" for crew in threads.crews)
    (runtime,) = threads.record.runtimes
    ratio = threads.throughput("tape", runtime, "processes", 2)
    assert 0 < ratio.low < ratio.value < ratio.high
    assert threads.throughput("tape", runtime, "threads", 3) is None and threads.rate("tape", runtime) > 0
    shown = bench_command("threads", "--show", "t")
    assert shown.exit_code == 0 and shown.stdout == done.stdout
    assert "2 processes" in pathlib.Path("results/t/tables.md").read_text()
    assert json.loads(bench_command("threads", "--show", "t", "--format", "json").stdout)["counts"] == [1, 2]


def test_what_threads_share_makes_losses_wrong_and_is_found(crowd, tmp_path):
    (tmp_path / "shared.py").write_text(
        "import dataclasses, threading\nfrom engines.reference import ENGINE as BASE\n"
        "def mean(losses):\n"
        "    total = BASE.mean(losses)\n"
        "    return total if threading.active_count() <= 2 else total * 2\n"
        "ENGINE = BASE.variant('shared', 'is wrong where another thread is at work', mean=mean)\n"
    )
    done = crowd("--engine", "shared.py", "--rounds", 1, "--one-import")
    assert done.exit_code == 1, done.output
    crews = {(crew.way, crew.count): crew for crew in bench.load_threads("t").crews if crew.engine == "shared"}
    assert crews["threads", 2].status == "diverged" and "with 2 threads: loss off by" in crews["threads", 2].reason
    assert crews["threads", 2].seconds == [] and crews["processes", 2].status == "ok"
    assert "DIVERGED" in done.stdout and "share one import" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--threads", "2,4"], "give growing numbers from 1 on"),
        (["--threads", "1"], "give growing numbers from 1 on"),
        (["--threads", "1,2,2"], "give growing numbers from 1 on"),
        (["--threads", "1,1000"], "give growing numbers from 1 on"),
        (["--engine", "none"], "no engine 'none'"),
        (["--show", "nothing"], "nothing"),
        (["--rounds", "0"], "0"),
    ],
)
def test_bad_input_is_refused_in_a_line(bench_command, arguments, words):
    done = bench_command("threads", "--python", sys.executable, *arguments)
    assert done.exit_code == 2 and words in done.stderr and done.stderr.count("\n") == 1
    assert not pathlib.Path("results").exists()


def test_an_engine_that_lacks_its_library_is_skipped(crowd, tmp_path):
    (tmp_path / "lacks.py").write_text(
        "from engines.reference import ENGINE as BASE\n"
        "ENGINE = BASE.variant('lacks', 'nothing', unavailable='it lacks a library')\n"
    )
    done = crowd("--engine", "lacks.py", "--rounds", 1)
    assert done.exit_code == 0 and "skipped: engine lacks cannot run here: it lacks a library" in done.stdout
