"""The gate: what is new, what broke, what is held beside time, how long it takes, and what its pages say."""

import dataclasses
import io
import json
import pathlib
import subprocess
import sys
import time
import xml.etree.ElementTree

import pytest
from rich.console import Console

from bench.host.pages import charts, gate_chart, run_tables, wording
from bench.host.results import store
from bench.host.results.run import Run
from bench.host.results.verdicts import answer_of
from bench.host.system import deadline, progress
from bench.host.system.deadline import Deadline, OutOfTime
from tests.host.conftest import SMALL, engine_file
from tests.host.test_check import git

WRONG = "ENGINE = replace(relu=lambda x: [xi.relu() * 1.000001 for xi in x])"
ROUNDS_OFF = """
def linear(x, w):
    return [sum(wi * xi for wi, xi in zip(reversed(row), reversed(x))) for row in w]
ENGINE = replace(linear=linear, parity=BASE.parity)
"""


@pytest.fixture
def theirs(tmp_path, bench_command, documents, monkeypatch):
    """A repository of engines that has one commit without any; `check` in it, against that commit unless told."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "README").write_text("engines will come")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "none yet")

    def run(*extra, against=("--against", "HEAD"), budget="1s"):
        common = ["--python", sys.executable, "--data", documents, *SMALL, "--steps", 3, "--no-instructions"]
        return bench_command("check", *common, *against, "--budget", budget, "--json", "j.json", *extra)

    run.folder = folder
    return run


def words(path="j.json"):
    return {cell["engine"]: cell["word"] for cell in json.loads(pathlib.Path(path).read_text())["cells"]}


# --------------------------------------------------------------------- first engines


def test_b7_first_engines_that_agree_pass(theirs):
    one, two = (engine_file(theirs.folder, name, "ENGINE = replace()") for name in ("one", "two"))
    done = theirs("--engine", one, "--engine", two, "--junit-xml", "j.xml")
    assert done.exit_code == 0, done.output
    assert words() == {"one": "NEW", "two": "NEW"} and "PASS: 2 NEW" in done.stdout
    cases = list(xml.etree.ElementTree.parse("j.xml").iter("testcase"))
    assert len(cases) == 2 and all(case.find("skipped") is None and case.find("failure") is None for case in cases)
    answer = json.loads(pathlib.Path("j.json").read_text())
    assert answer["exit_status"] == 0 and answer["summary"] == "PASS: 2 NEW"


@pytest.mark.parametrize(
    "text, word",
    [
        (WRONG, "DIVERGED"),
        ("raise RuntimeError('no')", "FAILED"),
        ("import nothing_of_the_name", "FAILED"),
        ("os._exit(3)", "FAILED"),
        (ROUNDS_OFF, "FAILED"),
    ],
)
def test_b7_a_new_engine_that_does_not_agree_fails(theirs, text, word):
    good = engine_file(theirs.folder, "good", "ENGINE = replace()")
    done = theirs("--engine", good, "--engine", engine_file(theirs.folder, "bad", text))
    assert done.exit_code == 1, done.output
    assert words() == {"good": "NEW", "bad": word}


def test_b7_nothing_measured_at_all_still_fails(theirs):
    lacks = engine_file(theirs.folder, "lacks", "ENGINE = replace(unavailable='the moon is not full')")
    done = theirs("--engine", lacks)
    assert done.exit_code == 2 and "nothing was measured (1 SKIPPED)" in done.stdout


@pytest.mark.parametrize("before", ["a commit", "zeros", "gone", "no file", "not json"])
def test_b7_a_push_is_held_against_the_commit_before(theirs, monkeypatch, before, tmp_path):
    """The one that the event names, or the parent of HEAD."""
    old = engine_file(theirs.folder, "old", "ENGINE = replace()")
    git(theirs.folder, "add", ".")
    git(theirs.folder, "commit", "-qm", "one")
    first = subprocess.run(["git", "rev-parse", "HEAD"], cwd=theirs.folder, capture_output=True, text=True)
    (theirs.folder / "README").write_text("two")
    git(theirs.folder, "commit", "-qam", "two")
    (theirs.folder / "README").write_text("three")
    git(theirs.folder, "commit", "-qam", "three")
    sha = {"a commit": first.stdout.strip(), "zeros": "0" * 40, "gone": "1" * 40}.get(before, "")
    event = tmp_path / "event.json"
    event.write_text("{" if before == "not json" else json.dumps({"before": sha}))
    monkeypatch.setenv("GITHUB_EVENT_NAME", "push")
    monkeypatch.setenv("GITHUB_EVENT_PATH", str(tmp_path / "nowhere" if before == "no file" else event))
    done = theirs("--engine", old, against=())
    assert done.exit_code == 0, done.output
    name = subprocess.run(["git", "rev-parse", "--short", "HEAD^"], cwd=theirs.folder, capture_output=True, text=True)
    expected = first.stdout[:7] if before == "a commit" else name.stdout.strip()
    assert json.loads(pathlib.Path("j.json").read_text())["against"].startswith(expected)
    assert words() == {"old": "INCONCLUSIVE"}  # in a second


def test_b7_with_no_earlier_commit_everything_is_new(theirs, monkeypatch):
    monkeypatch.setenv("GITHUB_EVENT_NAME", "push")
    new = engine_file(theirs.folder, "new", "ENGINE = replace()")
    done = theirs("--engine", new, against=())
    assert done.exit_code == 0 and words() == {"new": "NEW"} and "no earlier commit" in done.stdout


def test_b7_a_shallow_clone_is_no_first_commit(theirs, monkeypatch, tmp_path):
    (theirs.folder / "README").write_text("two")
    git(theirs.folder, "commit", "-qam", "two")
    git(tmp_path, "clone", "-q", "--depth", "1", theirs.folder.as_uri(), "shallow")
    monkeypatch.setenv("GITHUB_EVENT_NAME", "push")
    done = theirs("--engine", engine_file(tmp_path / "shallow", "new", "ENGINE = replace()"), against=())
    assert done.exit_code == 2 and "fetch-depth: 0" in done.stderr


# --------------------------------------------------------------------- broken promises


def committed(theirs, text, name="mine"):
    """An engine as the base has it."""
    path = engine_file(theirs.folder, name, text)
    git(theirs.folder, "add", ".")
    git(theirs.folder, "commit", "-qm", "an engine")
    return path


@pytest.mark.parametrize("share", ["mine@{base}=3", "mine=3", "mine=0"])
def test_c14_a_broken_promise_fails_whatever_the_speed(theirs, share):
    mine = committed(theirs, "ENGINE = replace()")
    base = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=theirs.folder, capture_output=True, text=True)
    engine_file(theirs.folder, "mine", ROUNDS_OFF)
    done = theirs("--engine", mine, "--inject", share.format(base=base.stdout.strip()), budget="4s")
    assert done.exit_code == 1 and words() == {"mine": "FAILED"}, done.output
    assert "broke its promise: bit-identical" in done.stdout


def test_c14_what_the_base_could_run_must_run(theirs):
    mine = committed(theirs, "ENGINE = replace()")
    engine_file(theirs.folder, "mine", "ENGINE = replace(unavailable='the moon is not full')")
    other = engine_file(theirs.folder, "other", "ENGINE = replace()")
    done = theirs("--engine", mine, "--engine", other)
    assert done.exit_code == 1 and words() == {"mine": "FAILED", "other": "NEW"}
    assert "could run it: " in done.stdout and "the moon is not full" in done.stdout


@pytest.mark.parametrize("text, word", [(WRONG, "diverged"), ("raise RuntimeError('no')", "failed")])
def test_c14_what_the_base_could_not_run_is_proven_as_a_new_engine_is(theirs, text, word):
    mine = committed(theirs, text)
    engine_file(theirs.folder, "mine", "ENGINE = replace()")
    done = theirs("--engine", mine)
    assert done.exit_code == 0 and words() == {"mine": "NEW"}
    assert f"which it is compared with, {word}" in done.stdout
    engine_file(theirs.folder, "mine", ROUNDS_OFF)
    assert theirs("--engine", mine, "--name", "again").exit_code == 1 and words() == {"mine": "FAILED"}


def test_c14_a_weaker_promise_is_said(theirs):
    mine = committed(theirs, "ENGINE = replace()")
    engine_file(theirs.folder, "mine", ROUNDS_OFF.replace("BASE.parity", "type(BASE.parity).ROUNDING"))
    done = theirs("--engine", mine, "--hold", "nodes=off")
    assert done.exit_code == 0, done.output
    assert "promises rounding, and bit-identical at" in done.stdout


# --------------------------------------------------------------------- held beside time

WORSE = {
    "start-up": "time.sleep(1)\nENGINE = replace()",
    "memory": "HOG = b'x' * 200_000_000\nENGINE = replace()",
    "nodes": "ENGINE = replace(relu=lambda x: [xi.relu() + 0.0 for xi in x])",
    "samples": "def slow(*a):\n    time.sleep(0.005)\n    return BASE.probabilities(*a)\nENGINE = replace(probabilities=slow)",
    "waiting": "def slow(loss):\n    time.sleep(0.02)\n    BASE.backward(loss)\nENGINE = replace(backward=slow)",
    "waiting ": "STEPS = []\ndef slow(loss):\n    STEPS.append(1)\n    time.sleep(0.06 if len(STEPS) % 3 == 0 else 0)\n"
    "    BASE.backward(loss)\nENGINE = replace(backward=slow)",
}


@pytest.mark.slow
@pytest.mark.parametrize("quantity", WORSE)
def test_c15_what_became_worse_beside_time_fails(theirs, quantity):
    mine = committed(theirs, "ENGINE = replace()")
    engine_file(theirs.folder, "mine", WORSE[quantity])
    done = theirs("--engine", mine, "--threshold", "90", "--junit-xml", "j.xml", budget="90s")
    assert done.exit_code == 1, done.output
    held = {hold["quantity"]: hold["word"] for hold in json.loads(pathlib.Path("j.json").read_text())["held"]}
    assert held[quantity.strip()] == "REGRESSED"
    other = {name for name, word in held.items() if word == "REGRESSED"} - {quantity.strip()}
    assert other <= {"start-up", "samples"}  # which come with some of the others
    row = next(line for line in done.stdout.splitlines() if line.startswith(f"mine: {quantity.strip()} "))
    assert "REGRESSED" in row
    cases = {case.get("name"): case for case in xml.etree.ElementTree.parse("j.xml").iter("testcase")}
    assert cases[f"mine: {quantity.strip()}"].find("failure").get("type") == "REGRESSED"
    assert words()["mine"] == ("PASS" if "waiting" not in quantity else words()["mine"])
    if "waiting" in quantity:
        assert words()["mine"] != "PASS"
    done = theirs(
        "--engine", mine, "--threshold", "90", "--name", "off", "--hold", f"{quantity.strip()}=off", budget="1s"
    )
    assert done.exit_code == 0 and f"mine: {quantity.strip()}" not in done.stdout


@pytest.mark.slow
def test_c15_the_same_is_no_worse(theirs):
    mine = committed(theirs, "ENGINE = replace()")
    done = theirs("--engine", mine, "--threshold", "1", budget="90s")
    assert done.exit_code == 0, done.output
    held = {hold["quantity"]: hold["word"] for hold in json.loads(pathlib.Path("j.json").read_text())["held"]}
    assert list(held) == ["memory", "nodes", "start-up", "samples", "waiting"]
    assert held["memory"] == held["nodes"] == "PASS" and "REGRESSED" not in held.values()
    assert (
        "Other quantities, with the largest increase that passes: memory (10 %, or 10 MB if more), nodes (1 %)"
        in done.stdout
    )


@pytest.mark.parametrize(
    "text", ["memory", "memory=", "memory=nan", "memory=inf", "memory=-1", "speed=0.1", "=0.1", "Memory=off"]
)
def test_c15_what_cannot_be_held(theirs, text):
    mine = committed(theirs, "ENGINE = replace()")
    done = theirs("--engine", mine, "--hold", text)
    assert done.exit_code == 2 and "--hold" in done.stderr and done.stderr.count("\n") == 1


def test_c15_a_share_of_ones_own(theirs):
    mine = committed(theirs, "ENGINE = replace()")
    engine_file(theirs.folder, "mine", "HOG = b'x' * 20_000_000\nENGINE = replace()")
    assert theirs("--engine", mine).exit_code == 1
    assert theirs("--engine", mine, "--hold", "memory=3", "--name", "more").exit_code == 0


def test_c15_an_older_worker_says_less(project, check):
    """What one side cannot say is named, and is no failure."""
    worker = project / "bench" / "workload" / "worker.py"
    text = worker.read_text()
    worker.write_text(text.replace('            "start_ns": start,\n', ""))
    assert worker.read_text() != text
    git(project, "commit", "-qam", "older")
    worker.write_text(text)
    done = check("--against", "HEAD", "--engine", "fused_dot", "--budget", "1s", "--no-instructions")
    assert done.exit_code == 0 and "Not compared for all: start-up: not measured on both sides" in done.stdout


def test_c15_an_earlier_run_holds_memory_and_nodes(check, small_run):
    assert small_run("--engine", "fused_dot").exit_code == 0
    done = check("--baseline", "small", "--engine", "fused_dot", "--threshold", "9", "--budget", "1s")
    assert done.exit_code == 0 and "memory (10 %, or 10 MB if more), nodes (1 %): all pass" in done.stdout
    for path in pathlib.Path("results/small/rounds").glob("*.json"):
        found = json.loads(path.read_text())
        for cell in found["cells"].values():
            cell["nodes"] = cell["nodes"] and [nodes // 2 for nodes in cell["nodes"]]
            cell["peak_bytes"] //= 3
        path.write_text(json.dumps(found))
    done = check("--baseline", "small", "--engine", "fused_dot", "--threshold", "9", "--budget", "1s", "--name", "two")
    assert done.exit_code == 1 and "fused_dot: memory" in done.stdout and "fused_dot: nodes" in done.stdout


# --------------------------------------------------------------------- budgets

# the first two processes do as they should, later ones never come to an end of their second step
HANGS_LATER = """
import pathlib
STARTED = pathlib.Path("{started}")
LATER = STARTED.exists() and len(STARTED.read_text()) > 1
with STARTED.open("a") as file:
    file.write("x")
STEPS = []
def backward(loss):
    STEPS.append(1)
    while LATER and len(STEPS) > 1:
        time.sleep(1)
    BASE.backward(loss)
ENGINE = replace(backward=backward)
"""


def test_c16_a_deadline(monkeypatch):
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    assert Deadline().left == Deadline().timeout(float("inf")) == float("inf") and not Deadline().over
    half = Deadline(100, now - 30).keeping(0.5)
    assert 19 < half.left <= 20 and 69 < Deadline(100, now - 30).left <= 70
    assert half.timeout(1) == 1 and 19 < half.timeout(60) < 23
    with pytest.raises(OutOfTime):
        Deadline(100, now - 105).timeout(60)
    assert 0 < Deadline(100, now - 102).timeout(60) <= 2  # a round under way may still end
    assert Deadline(100, now - 102).over
    monkeypatch.setattr(deadline, "COMMAND_BEGAN", now - 30)
    first, later = Deadline.of_command(20), Deadline.of_command(20)  # of a search, which measures again and again
    assert first.over and later.left == 20


@pytest.mark.parametrize("command", ["check", "run"])
def test_c16_the_first_round_is_done_in_full(theirs, bench_command, documents, command):
    mine = committed(theirs, "ENGINE = replace()")
    if command == "check":
        done = theirs("--engine", mine, "--name", "r", budget="0.1s")
        assert "undecided after" in done.stderr and "1 of 1 cell\n" in done.stderr
    else:
        done = bench_command("run", "--engine", mine, "--python", sys.executable, "--data", documents, *SMALL,
            "--budget", "0.1s", "--name", "r")  # fmt: skip
        assert "stopped after 1 of 5 rounds" in done.stderr
    assert done.exit_code == 0, done.output
    assert "0 s were too short for the first round, which is done in full: " in done.stderr
    (kept,) = pathlib.Path("results/r/rounds").iterdir()
    assert {cell["status"] for cell in json.loads(kept.read_text())["cells"].values()} == {"ok"}


@pytest.mark.slow
@pytest.mark.parametrize("command", ["check", "run"])
def test_c16_a_round_that_passes_the_budget_is_left_out(theirs, bench_command, documents, command):
    """However long one order may take: what hangs is no failure of the engine where the time was up first."""
    started = theirs.folder.parent / "started"  # not beside the file: a run's copies are nobody's to write into
    mine = committed(theirs, HANGS_LATER.replace("{started}", str(started)))
    if command == "check":
        done = theirs("--engine", mine, "--name", "r", budget="15s")
    else:
        started.write_text("x")
        done = bench_command("run", "--engine", mine, "--python", sys.executable, "--data", documents, *SMALL,
            "--budget", "15s", "--name", "r")  # fmt: skip
        assert "the budget of 15 s was used up in round 2, which is left out" in done.stderr
    assert done.exit_code == 0, done.output
    assert "failed" not in done.output and len(list(pathlib.Path("results/r/rounds").iterdir())) < 3


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
def test_c16_counting_ends_with_the_budget(project, check, tmp_path, monkeypatch):
    """A Valgrind that never ends, and two engines to count: both rows say so."""
    fake = tmp_path / "bin" / "valgrind"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\nexec sleep 600\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{__import__('os').environ['PATH']}")
    for name in ("fused_dot", "tape"):
        engine = project / "engines" / f"{name}.py"
        engine.write_text(engine.read_text() + "# edited\n")
    rows = ["--engine", "fused_dot", "--engine", "tape", "--threshold", "9"]
    done = check("--against", "HEAD", *rows, "--budget", "6s", "--json", "j.json")
    assert done.exit_code == 0, done.output
    cells = json.loads(pathlib.Path("j.json").read_text())["cells"]
    assert [cell["not_counted"] for cell in cells] == ["the budget ended"] * 2
    row = next(line for line in done.stdout.splitlines() if line.startswith("tape "))
    assert "not counted" in row


def test_c16_a_line_every_ten_seconds_says_what_is_being_done(monkeypatch):
    """Also while one order takes long: nobody calls anything meanwhile."""
    assert progress.PLAIN_SECONDS <= 10
    monkeypatch.setattr(progress, "PLAIN_SECONDS", 0.02)
    text = io.StringIO()
    with progress.RunProgress(10, Console(file=text, width=200)) as running:
        running.advance("one long order")
        while text.getvalue().count("now one long order") < 3:
            time.sleep(0.01)
        running.advance("another")
        while "2/10 orders" not in text.getvalue() or "now another" not in text.getvalue():
            time.sleep(0.01)
    assert "about" in text.getvalue()


# --------------------------------------------------------------------- what its pages say


def test_c17_the_report_draws_what_the_verdicts_were_made_from(theirs, bench_command):
    """And no speed over the reference, which was measured once."""
    pytest.importorskip("vl_convert")
    mine = committed(theirs, "ENGINE = replace()")
    done = theirs("--engine", mine, "--name", "r", "--inject", "mine=1", budget="40s")
    assert done.exit_code == 1, done.output
    assert bench_command("report", "r", "--plots", "plots").exit_code == 0
    drawn = {path.stem.partition("-")[0] for path in pathlib.Path("plots").iterdir()}
    assert drawn >= {"verdicts", "losses"} and not drawn & {"speed", "heat", "bought", "versions"}
    run = store.load(pathlib.Path("results/r"))
    answer = answer_of(run)
    verdicts = gate_chart.gate_charts(run, answer)[0]
    (value,) = verdicts.spec["data"]["values"]
    (cell,) = json.loads(pathlib.Path("j.json").read_text())["cells"]
    assert (value["ratio"], value["low"], value["high"]) == tuple(
        cell["ratio"][end] for end in ("value", "low", "high")
    )
    assert value["word"] == cell["word"] == "REGRESSED" and not value["uncertain"]
    (table,) = run_tables.tables(run)
    assert all("[one round]" not in row[2] for row in table.rows)
    assert not any("more --rounds" in line for line in table.below)
    page = pathlib.Path("results/r/report.html").read_text()
    assert '<span class="verdict bad">FAIL: 1 REGRESSED' in page and "all losses agree" not in page


def test_c17_a_cell_is_undecided_or_decided_never_both(theirs):
    """What is said of undecided cells counts the last look too."""
    one, two = committed(theirs, "ENGINE = replace()"), committed(theirs, "ENGINE = replace()", "two")
    done = theirs("--engine", one, "--engine", two, "--threshold", "9", budget="0.1s")
    undecided = sum(word == "INCONCLUSIVE" for word in words().values())
    assert undecided == 2 and "undecided after" in done.stderr and "2 of 2 cells" in done.stderr
    assert "no regression found: 2 INCONCLUSIVE" in done.stdout


def test_c17_what_ended_the_run_is_what_narrows_it(small_run):
    assert small_run("--engine", "tape").exit_code == 0
    run = store.load(pathlib.Path("results/small"))
    assert wording.more(run) == "more --rounds narrow it"
    longer = dataclasses.replace(run.record.plan, rounds=50)
    by_budget = dataclasses.replace(longer, budget_seconds=sum(entry.seconds for entry in run.rounds))
    for plan, words_ in ((by_budget, "a longer --budget narrows it"), (longer, "continue with --resume results/small")):
        found = Run(run.folder, dataclasses.replace(run.record, plan=plan), run.rounds)
        assert wording.more(found) == words_


def test_c17_a_ratio_of_one_round_is_drawn_without_an_interval(small_run):
    done = small_run("--engine", "tape", "--rounds", 1)
    assert done.exit_code == 0 and "1 round of fresh processes" in done.stdout
    run = store.load(pathlib.Path("results/small"))
    drawn = {chart.name: chart for chart in charts.charts(run)}
    for name in ("speed", "heat", "bought"):
        assert all(value["uncertain"] for value in drawn[name].spec["data"]["values"])
        assert "may be chance" in drawn[name].caption
    bars = [
        layer for layer in drawn["speed"].spec["layer"] if layer["mark"]["type"] == "rule" and "x2" in layer["encoding"]
    ]
    assert [layer["transform"] for layer in bars] == [[{"filter": "!datum.uncertain"}]]
    hollow = [layer for layer in drawn["speed"].spec["layer"] if layer["mark"].get("filled") is False]
    assert [layer["transform"] for layer in hollow] == [[{"filter": "datum.uncertain"}]]


def test_c16_what_comes_before_the_rounds_is_said_too(theirs, monkeypatch):
    monkeypatch.setattr(progress, "PLAIN_SECONDS", 0.01)
    mine = committed(theirs, "ENGINE = replace()")
    done = theirs("--engine", mine)
    assert done.exit_code == 0 and "now preparing sources, interpreters and data" in done.stderr
    assert "now mine on " in done.stderr


# good until its process has been started five times, wrong from then on
WRONG_LATER = """
import pathlib
STARTED = pathlib.Path("{started}")
with STARTED.open("a") as file:
    file.write("x")
def relu(x):
    return [xi.relu() * (1.000001 if len(STARTED.read_text()) > 4 else 1) for xi in x]
ENGINE = replace(relu=relu)
"""


@pytest.mark.slow
def test_c14_what_breaks_in_a_late_round_fails(theirs):
    """Before the first look, which is at eight rounds."""
    mine = committed(theirs, "ENGINE = replace()")
    engine_file(theirs.folder, "mine", WRONG_LATER.replace("{started}", str(theirs.folder.parent / "started")))
    done = theirs("--engine", mine, "--threshold", "0", "--hold", "nodes=off", budget="5m")
    assert done.exit_code == 1 and words() == {"mine": "DIVERGED"}, done.output
