"""What was found by going through all lines once more: names of one second, odd places, runs begun by older versions."""

import json
import os
import pathlib
import sys
import threading

import numpy as np
import pytest

from bench import Model
from bench.cli import ending
from bench.host.pages import calibration as calibration_page
from bench.host.pages import chart_parts, loss_charts
from bench.host.results import calibration, power, store
from bench.host.system import interpreters
from bench.host.system.errors import UsageError
from bench.workload.config import WorkloadError
from tests.proof.test_e_surroundings import script

posix = pytest.mark.skipif(sys.platform == "win32", reason="named pipes, scripts")
SIZES = {"n_embd": 8, "n_head": 2, "block_size": 6}


def changed(run, change):
    """Change what stands in its run.json."""
    record = json.loads((run / "run.json").read_text())
    change(record)
    (run / "run.json").write_text(json.dumps(record))


def test_d18_two_runs_begun_in_one_second(kept, tmp_path):
    record = store.load(kept).record
    names = [store.create(tmp_path / name, record).folder.name for name in ["20261125-103000"] * 3]
    assert names == ["20261125-103000", "20261125-103000-2", "20261125-103000-3"]
    names = [store.create(tmp_path / name, record).folder.name for name in ["check-20261125-103000"] * 2]
    assert names == ["check-20261125-103000", "check-20261125-103000-2"]
    store.create(tmp_path / "mine", record)
    with pytest.raises(UsageError, match="exists already"):
        store.create(tmp_path / "mine", record)


def test_d18_a_run_of_a_version_that_asked_for_fewer_facts_goes_on(kept, bench_command):
    def older(record):
        record["plan"]["rounds"] = 3
        for runtime in record["runtimes"].values():
            runtime["described"].pop("other_jits")

    changed(kept, older)
    done = bench_command("run", "--resume", "small")
    assert done.exit_code == 0 and len(store.load(kept).rounds) == 3, done.output
    changed(kept, lambda record: next(iter(record["runtimes"].values()))["described"].update(compiler="another"))
    assert "a different build than when" in bench_command("run", "--resume", "small").stderr


def test_b6_a_run_on_a_cpu_that_is_not_there(kept, bench_command):
    changed(kept, lambda record: record["plan"].update(rounds=3, affinity=[99999]))
    done = bench_command("run", "--resume", "small")
    assert done.exit_code == 2 and "needs CPU 99999, which is not available here" in done.stderr
    assert len(store.load(kept).rounds) == 2


@pytest.mark.parametrize("values", [1, 2, 3])
def test_b6_of_few_rounds_no_rule_says_slower(values):
    for rule in power.other_rules().values():
        rule(np.ones(values), np.ones(values) * 1.2)
    students = next(iter(power.other_rules().values()))
    assert students(np.ones(values), np.ones(values) * 1.2) is (values > 1)


@pytest.mark.parametrize(
    "options, said",
    [
        ({"learning_rate": 1e300}, "too large or undefined"),
        ({"weight_decay": 1e300}, "too large or undefined"),
        ({"engine": "reference", "n_layer": 12}, "too deep for reference"),
        ({"engine": "vector", "learning_rate": 1e300}, "too large or undefined"),
    ],
)
def test_b6_a_model_in_python_says_it_in_a_line(options, said):
    model = Model(documents=["emma", "abcdef", "mia"], **{**SIZES, **options})
    with pytest.raises(WorkloadError, match=said):
        model.train(3)


def test_b6_a_model_without_numbers_draws_nothing():
    model = Model(documents=["emma", "ava", "mia"], learning_rate=1e300, **SIZES)
    with pytest.raises(WorkloadError, match="too large or undefined"):
        model.train(3)
    with pytest.raises(WorkloadError, match=r"too large or undefined .*finite"):
        model.generate(2)


def test_d22_plots_are_several_files(kept, bench_command):
    done = bench_command("report", "small", "--plots", "-")
    assert done.exit_code == 2 and "--plots needs a folder" in done.stderr and not pathlib.Path("-").exists()


@posix
@pytest.mark.parametrize("where", ["", ">&2"])
def test_e26_an_interpreter_that_prints_without_end(tmp_path, where):
    fake = script(tmp_path / "fake", f"#!/bin/sh\nyes 'some words' {where}\n")
    with pytest.raises(UsageError, match="prints more than 1 MiB"):
        interpreters.describe(str(fake), {})


@posix
def test_e26_what_an_interpreter_leaves_running_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(interpreters, "PROBE_SECONDS", 60)
    fake = script(tmp_path / "fake", f'#!/bin/sh\nsleep 600 &\necho $! > {tmp_path}/pid\nexec {sys.executable} "$@"\n')
    assert interpreters.describe(str(fake), {})["python"]
    with pytest.raises(ProcessLookupError):
        while True:
            os.kill(int((tmp_path / "pid").read_text()), 0)


@posix
def test_e28_a_summary_that_is_a_pipe_is_not_waited_for(tmp_path, monkeypatch, capsys):
    pipe = tmp_path / "summary"
    os.mkfifo(pipe)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(pipe))
    assert "cannot write" in ending.append_step_summary("a table")  # nobody reads it
    assert ending.say("bad input") == 2
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert ending.append_step_summary("a table") == "" and os.read(reader, 100) == b"a table\n"
        writing = threading.Thread(target=ending.append_step_summary, args=["long " * 100_000], daemon=True)
        writing.start()
        writing.join(20)
        assert not writing.is_alive()
    finally:
        os.close(reader)


def test_c17_a_tick_a_step_where_there_are_few(kept):
    run = store.load(kept)
    assert f'"values": {run.record.plan.numbers}' in json.dumps(chart_parts.picture(run, loss_charts.losses(run), 720))


def test_d18_a_calibration_trial_of_one_round_is_read_again(tmp_path):
    path = next((interpreters.ROOT / "results" / "calibration").glob("*.json"))
    known = json.loads(path.read_text())
    first = known["trials"][0]
    for name in ("logs", "baseline", "seconds"):
        first[name] = first[name][:1]
    first["rounds"] = 1
    (tmp_path / "known.json").write_text(json.dumps(known))
    found = calibration.load(tmp_path / "known.json")
    assert calibration_page.table(found).rows and "can see" in calibration.sees(found)


def test_f_a_file_without_an_engine_is_named_as_it_was_given(tmp_path, small_run):
    (tmp_path / "empty.py").write_text("")
    done = small_run("--engine", "empty.py")
    assert "engine file empty.py does not end in ENGINE" in done.stdout
