"""The gate and the calibration end to end, on a small model: slowed down, wrong, and used wrong."""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree

import pytest

from bench.host.gate import instructions
from bench.host.measure import revision, valgrind
from bench.host.results import calibration
from bench.host.results.calibration import Calibration, Trial
from bench.host.results.power import other_rules, smallest_found
from bench.host.results.verdicts import Row, exit_status
from bench.host.stats.sequential import Gate
from bench.host.system import interpreters
from tests.host.conftest import SMALL, engine_file

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A repository of its own with today's engines and workload committed in it, free to be edited."""
    root = tmp_path / "project"
    for part in ("engines", "bench/workload"):
        shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "bench" / "__init__.py", root / "bench")
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "before"]):
        subprocess.run([*git, *command], cwd=root, check=True)
    monkeypatch.setattr(interpreters, "ROOT", root)
    monkeypatch.setattr(revision, "ROOT", root)
    return root


@pytest.fixture
def check(bench_command, documents):
    def run(*extra):
        common = ["--python", sys.executable, "--data", documents, *SMALL, "--steps", 3, "--name", "checked"]
        return bench_command("check", *common, *extra)

    return run


def test_against_a_revision(project, check, bench_command, monkeypatch, tmp_path):
    """One engine slowed down by half, one twice as fast, one as it was; all that CI sees."""
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    engine = project / "engines" / "fused_dot.py"
    slower = "    def __init__(self, *a):\n        sum(range(300))\n        self._init(*a)\n\n    def _init(self,"
    engine.write_text(engine.read_text().replace("    def __init__(self,", slower, 1))
    head = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=project, capture_output=True, text=True)
    rows = ["--engine", "reference", "--engine", "fused_dot", "--engine", "tape"]
    done = check("--against", "HEAD", *rows, "--inject", f"tape@{head.stdout.strip()}=1", "--threshold", "0.2",
        "--n-embd", "4", "--no-instructions", "--junit-xml", "j.xml", "--json", "j.json")  # fmt: skip
    assert done.exit_code == 1, done.output
    answer = json.loads(pathlib.Path("j.json").read_text())
    words = {cell["engine"]: cell["word"] for cell in answer["cells"]}
    assert words["fused_dot"] == "REGRESSED" and words["tape"] == "IMPROVED"
    assert words["reference"] in ("PASS", "INCONCLUSIVE")  # noise may leave it open, never call it a fifth slower
    assert answer["exit_status"] == 1
    cases = {case.get("name"): case for case in xml.etree.ElementTree.parse("j.xml").iter("testcase")}
    assert cases["fused_dot"].find("failure").get("type") == "REGRESSED"
    assert cases["tape"].find("failure") is None and cases["tape"].find("skipped") is None
    assert "REGRESSED" in summary.read_text() and summary.read_text().startswith("### Against")
    regressed = next(line for line in done.stdout.splitlines() if line.startswith("fused_dot "))
    assert "REGRESSED" in regressed and "bit-identical" in regressed
    assert bench_command("report", "checked", "--output", "r.html").exit_code == 0
    section = re.search(r'<section id="gate">.*?</section>', pathlib.Path("r.html").read_text(), re.S)[0]
    assert '<span class="verdict bad">FAIL: ' in section and "<td>REGRESSED</td>" in section
    pathlib.Path("results/checked/gate.json").write_text("{}")
    done = bench_command("report", "checked")
    assert done.exit_code == 2 and "gate.json is damaged" in done.stderr


def test_a_wrong_engine_fails_whatever_its_speed(project, check):
    engine = project / "engines" / "fused_dot.py"
    engine.write_text(engine.read_text() + "\nimport dataclasses\n"
        "ENGINE = dataclasses.replace(ENGINE, relu=lambda x: [xi.relu() * 1.000001 for xi in x])\n")  # fmt: skip
    done = check("--against", "HEAD", "--engine", "fused_dot", "--budget", "1s")
    assert done.exit_code == 1
    row = next(line for line in done.stdout.splitlines() if line.startswith("fused_dot "))
    assert "DIVERGED" in row and "FAIL: " in done.stdout


def test_an_engine_that_is_new_is_not_held_against_anything(project, check):
    mine = engine_file(project, "mine", "ENGINE = replace(summary='new')")
    done = check("--against", "HEAD", "--engine", mine, "--engine", "tape", "--budget", "1s")
    row = next(line for line in done.stdout.splitlines() if line.startswith("mine "))
    assert "NEW" in row and "bit-identical" in row and "has no engine mine" in done.stdout
    wrong = engine_file(project, "wrong", "ENGINE = replace(relu=lambda x: [xi.relu() * 1.000001 for xi in x])")
    done = check("--against", "HEAD", "--engine", wrong, "--engine", "tape", "--budget", "1s", "--name", "wrong")
    row = next(line for line in done.stdout.splitlines() if line.startswith("wrong "))
    assert done.exit_code == 1 and "DIVERGED" in row


def test_undecided_fails_only_when_strict(project, check):
    done = check("--against", "HEAD", "--engine", "fused_dot", "--budget", "1s", "--threshold", "0")
    assert done.exit_code == 0 and "INCONCLUSIVE" in done.stdout and "the time was up" in done.stdout
    strict = check("--against", "HEAD", "--engine", "fused_dot", "--budget", "1s", "--threshold", "0", "--strict",
        "--name", "strict", "--junit-xml", "j.xml")  # fmt: skip
    assert strict.exit_code == 3 and "a longer --budget" in strict.stdout
    assert list(xml.etree.ElementTree.parse("j.xml").iter("failure"))


def test_a_gate_that_measured_nothing_fails(project, check):
    engine = project / "engines" / "fused_dot.py"
    engine.write_text(engine.read_text() + "\nimport dataclasses\n"
        "ENGINE = dataclasses.replace(ENGINE, unavailable='the moon is not full')\n")  # fmt: skip
    reference = project / "engines" / "reference.py"
    reference.write_text(reference.read_text() + "\nraise RuntimeError('no')\n")
    done = check("--against", "HEAD", "--engine", "fused_dot")
    assert done.exit_code == 2 and "FAIL: nothing was measured (1 SKIPPED)" in done.stdout
    done = check("--against", "HEAD", "--engine", "tape", "--name", "tape")
    assert done.exit_code == 1 and "no reference to compare with" in done.stdout  # so that nothing is proven
    assert exit_status([], False) == 2
    words = ["SKIPPED", "SKIPPED"]
    assert exit_status([Row("x", "y", word, "z") for word in words], False) == 2


def test_against_a_run_and_what_is_not_like_with_like(check, small_run, bench_command):
    assert small_run("--engine", "fused_dot").exit_code == 0
    done = check("--baseline", "small", "--engine", "fused_dot", "--threshold", "9")
    assert done.exit_code == 0, done.output
    row = next(line for line in done.stdout.splitlines() if line.startswith("fused_dot "))
    assert "PASS" in row and " to " in row
    for option, words in [
        (["--steps", "2"], "was measured with --steps 3"),
        (["--seed", "7"], "another workload"),
        (["--gc", "off"], "--gc on"),
    ]:
        refused = check("--baseline", "small", "--engine", "fused_dot", "--name", "refused", *option)
        assert refused.exit_code == 2 and words in refused.stderr
        assert not pathlib.Path("results/refused").exists()
    path = pathlib.Path("results/small/run.json")
    path.write_text(path.read_text().replace('"identity": "', '"identity": "x'))
    refused = check("--baseline", "small", "--engine", "fused_dot", "--name", "refused")
    assert refused.exit_code == 2 and "another machine" in refused.stderr and "--allow-mismatch" in refused.stderr
    marked = check("--baseline", "small", "--engine", "fused_dot", "--name", "m", "--allow-mismatch", "--budget", "1s")
    assert "NOT LIKE WITH LIKE" in marked.stdout


@pytest.mark.parametrize(
    "options, words",
    [
        (["--against", "no-such-revision"], "no such revision"),
        (["--against", "HEAD", "--baseline", "x"], "give only one"),
        (["--baseline", "nowhere"], "is not a run"),
        (["--against", "HEAD", "--inject", "tape"], "is not ENGINE=SHARE"),
        (["--against", "HEAD", "--engine", "tape", "--inject", "closures=0.1"], "no engine closures in this run"),
        (["--against", "HEAD", "--threshold", "-1"], "--threshold"),
        (["--against", "HEAD", "--affinity", "999"], "no CPU 999"),
        (["--against", "HEAD", "--affinity", "two"], "not a list of CPUs"),
        (["--against", "HEAD", "--env", "JIT"], "is not NAME=VALUE"),
        (["--against", "HEAD", "--json", "nowhere/x.json"], "not a folder"),
        (["--against", "HEAD", "--name", "a/b"], "cannot name a folder"),
    ],
)
def test_bad_input_is_one_line(project, check, options, words):
    done = check(*options)
    assert (done.exit_code, done.stdout) == (2, "")
    assert words in done.stderr and done.stderr.count("\n") == 1
    assert not pathlib.Path("results").exists()


def test_a_revision_without_engines_or_outside_a_repository(project, check, tmp_path, monkeypatch):
    subprocess.run(["git", "rm", "-q", "-r", "--cached", "engines"], cwd=project, check=True)
    commit = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-q", "-m", "none"]
    subprocess.run(commit, cwd=project, check=True)
    done = check("--against", "HEAD")
    assert done.exit_code == 2 and "has no engines/__init__.py" in done.stderr
    outside = tmp_path / "outside"
    outside.mkdir()
    monkeypatch.setattr(revision, "ROOT", outside)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    done = check("--against", "HEAD")
    assert done.exit_code == 2 and "not a git repository" in done.stderr


def test_an_older_workers_answers_are_told_apart(project, check):
    worker = project / "bench" / "workload" / "worker.py"
    text = worker.read_text()
    worker.write_text(text.replace('answer["cpu_ns"] = cpu / repeats', "pass"))
    commit = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-q", "-am", "older"]
    subprocess.run(commit, cwd=project, check=True)
    worker.write_text(text)
    done = check("--against", "HEAD", "--engine", "fused_dot")
    assert done.exit_code == 2 and "--clock wall" in done.stdout and "nothing was measured" in done.stdout
    wall = check("--against", "HEAD", "--engine", "fused_dot", "--clock", "wall", "--budget", "1s", "--name", "wall",
        "--no-instructions")  # fmt: skip
    assert wall.exit_code == 0, wall.output


# --------------------------------------------------------------------- calibration


def test_calibrate(bench_command):
    """Twice the time is found each time, equal copies raise no alarm, and later runs say what can be seen."""
    done = bench_command("calibrate", "--engine", "vector", "--python", sys.executable,
        "--null-trials", 2, "--slowdown", 1, "--trials", 2, "--threshold", 0.2, "--budget", "3m", "--busy-core")  # fmt: skip
    assert done.exit_code == 0, done.output
    row = next(line for line in done.stdout.splitlines() if line.startswith("microgpt-bench check"))
    assert row.split()[-4:] == ["0/1", "0/1", "2/2", "–"]
    (path,) = pathlib.Path("results/calibration").glob("*.json")
    loaded = calibration.load(path)
    assert [trial.slowdown for trial in loaded.trials].count(1) == 2
    assert all(len(t.logs) == len(t.baseline) == len(t.seconds) == t.rounds for t in loaded.trials)
    assert path.with_suffix(".md").read_text().startswith("### What this machine can see")
    path.write_text("{")
    done = bench_command("run", "--engine", "reference", "--python", sys.executable, "--steps", 1, "--rounds", 1)
    assert done.exit_code == 0 and "what this machine can see is not known" in done.stdout  # it is damaged


def test_the_smallest_slowdown_that_is_found():
    """On simulated rounds with a known spread: more noise hides more, more certainty needs more."""
    import numpy as np

    def of(spread):
        logs = [float(x) for x in np.random.default_rng(5).normal(0, spread, 200)]
        trial = Trial(0.0, False, "PASS", 200, 60.0, 60.0, 1.0, logs, [1.0] * 200, [1.0] * 200)
        return Calibration(1, "", "", "x", "y", "z", 6, 60.0, Gate(), {}, [trial])

    quiet, noisy = of(0.005), of(0.03)
    assert smallest_found(quiet, 0.8, 60) < smallest_found(noisy, 0.8, 60)
    assert smallest_found(noisy, 0.8, 60) <= smallest_found(noisy, 0.95, 60)
    assert 0.01 < smallest_found(quiet, 0.8, 60) < 0.025


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_other_tools_rules(share):
    """Each calls a clear slowdown slower, and equal times not."""
    import numpy as np

    rng = np.random.default_rng(3)
    a, b = rng.normal(1, 0.01, 20), rng.normal(1 + share, 0.01, 20)
    assert [rule(a, b) for rule in other_rules().values()] == [share > 0] * 4


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("valgrind") is None, reason="Valgrind is not installed")
def test_instructions_are_a_second_verdict(project, check, monkeypatch):
    """Half a per cent more, which no clock sees in some rounds; the same files need no count."""
    monkeypatch.setattr(valgrind, "WARM_UP", 1)
    monkeypatch.setattr(valgrind, "ENOUGH", 1)  # a count of the same files is as exact over few steps
    monkeypatch.setattr(instructions, "LAYOUTS", (0, 1))
    rows = [
        "--engine",
        "fused_dot",
        "--engine",
        "reference",
        "--budget",
        "30m",
        "--threshold",
        "9",
        "--n-embd",
        "4",
    ]
    done = check("--against", "HEAD", *rows, "--inject", "fused_dot=0.005", "--json", "j.json")
    cells = {cell["engine"]: cell for cell in json.loads(pathlib.Path("j.json").read_text())["cells"]}
    assert cells["fused_dot"]["word"] == "REGRESSED", done.output
    assert "more instructions" in cells["fused_dot"]["reason"]
    assert 1 / cells["fused_dot"]["instructions"] - 1 == pytest.approx(0.005, rel=0.1)
    assert cells["reference"]["instructions"] == 1 and done.exit_code == 1


def test_without_valgrind_the_column_is_left_out(project, check, monkeypatch):
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name, *rest: None if name == "valgrind" else which(name, *rest))
    engine = project / "engines" / "fused_dot.py"
    engine.write_text(engine.read_text() + "\n")
    done = check("--against", "HEAD", "--engine", "fused_dot", "--budget", "1s", "--threshold", "9")
    assert done.exit_code == 0 and "apt install valgrind" in done.stdout
    assert " instructions " not in next(line for line in done.stdout.splitlines() if line.startswith("engine "))


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="Valgrind is not installed")
def test_what_cannot_be_counted_leaves_the_other_counts_alone(project, check, monkeypatch):
    """At the revision one engine breaks under Valgrind only; the other one's count stands."""
    monkeypatch.setattr(valgrind, "ENOUGH", 1)
    monkeypatch.setattr(valgrind, "WARM_UP", 1)
    engine = project / "engines" / "tape.py"
    text = engine.read_text()
    engine.write_text(text + "\nimport os\nif 'LC_ALL' in os.environ and os.environ.get('PYTHONHASHSEED') == '0':\n"
        "    raise ValueError('not under Valgrind')\n")  # fmt: skip
    git(project, "commit", "-qam", "breaks")
    engine.write_text(text)
    edited = project / "engines" / "fused_dot.py"
    edited.write_text(edited.read_text() + "# a comment more\n")
    rows = ["--engine", "tape", "--engine", "fused_dot", "--threshold", "9", "--n-embd", "4"]
    done = check("--against", "HEAD", *rows, "--json", "j.json")
    assert done.exit_code == 0 and "instructions of tape on" in done.stdout and "not under Valgrind" in done.stdout
    cells = {cell["engine"]: cell for cell in json.loads(pathlib.Path("j.json").read_text())["cells"]}
    assert cells["tape"]["instructions"] is None and 0.99 < cells["fused_dot"]["instructions"] < 1.01


def test_only_what_was_asked_for_is_held(project, check):
    """The reference alone, which proves the others, is no row; what the base can't run is proven as a new engine is."""
    engine = project / "engines" / "fused_dot.py"
    text = engine.read_text()
    engine.write_text(text.replace("ENGINE = Engine(", "ENGINE = dict(", 1))
    git(project, "commit", "-qam", "no contract")
    engine.write_text(text)
    done = check("--against", "HEAD", "--engine", "fused_dot")
    assert done.exit_code == 0 and "PASS: 1 NEW" in done.stdout
    assert ", which it is compared with, failed: EngineError" in done.stdout


def test_a_step_summary_that_cannot_be_written_changes_no_verdict(project, check, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "nowhere/summary.md")
    row = ["--against", "HEAD", "--engine", "fused_dot", "--budget", "1s", "--json", "j.json", "--no-instructions"]
    done = check(*row)
    assert done.exit_code == 0 and "cannot write nowhere/summary.md" in done.stderr
    assert json.loads(pathlib.Path("j.json").read_text())["exit_status"] == 0


def git(folder, *arguments):
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def test_files_of_another_repository_are_held_against_themselves(check, tmp_path, monkeypatch):
    """As in a repository of engines that uses this project in its workflow."""
    monkeypatch.setattr(valgrind, "ENOUGH", 1)
    monkeypatch.setattr(valgrind, "WARM_UP", 1)
    monkeypatch.setattr(instructions, "LAYOUTS", (0,))
    folder, outside = tmp_path / "engines of mine", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    mine = engine_file(folder, "mine", "ENGINE = replace()")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "one")
    engine_file(folder, "mine", "ENGINE = replace(summary='edited since')")
    fresh = engine_file(folder, "fresh", "ENGINE = replace()")
    files = ["--engine", mine, "--engine", fresh, "--json", "j.json", "--inject", "mine=1", "--n-embd", "4"]
    done = check("--against", "HEAD", *files)
    assert done.exit_code == 1, done.output
    cells = {cell["engine"]: cell for cell in json.loads(pathlib.Path("j.json").read_text())["cells"]}
    assert {name: cell["word"] for name, cell in cells.items()} == {"mine": "REGRESSED", "fresh": "NEW"}
    if shutil.which("valgrind"):  # counted too
        assert 0.45 < cells["mine"]["instructions"] < 0.55
    done = check("--against", "nothing", "--engine", mine)
    assert done.exit_code == 2 and "no such revision" in done.stderr
    done = check("--against", "HEAD", "--engine", engine_file(outside, "lone", "ENGINE = replace()"))
    assert done.exit_code == 2 and "not a git repository" in done.stderr


def test_one_build_of_python_against_another(bench_command, documents):
    two = ["--python", f"head={sys.executable}", "--against-python", f"base={sys.executable}", "--json", "j.json"]
    small = ["--data", documents, *SMALL, "--steps", 3]
    done = bench_command("check", *two, "--engine", "tape", "--threshold", "1.0", *small)
    assert done.exit_code == 0, done.output
    found = json.loads(pathlib.Path("j.json").read_text())
    assert {(cell["engine"], cell["runtime"]) for cell in found["cells"]} == {("tape", "head")}
    assert found["against"] == "base" and {cell["word"] for cell in found["cells"]} == {"PASS"}
    done = bench_command("check", *two, "--against", "HEAD", *small)
    assert done.exit_code == 2 and "give only one" in done.stderr
