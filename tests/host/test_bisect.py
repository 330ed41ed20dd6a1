"""Finding the commit, or the build, that changed an engine's speed: the search, its steps, and what is refused."""

import os
import pathlib
import subprocess
import sys
import types

import pytest

import bench
from bench.host.results.verdicts import Row
from bench.host.stats.paired import Ratio

ROOT = pathlib.Path(bench.__file__).resolve().parents[1]
GIT = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """Six commits of an engine: the fourth says so in its file."""
    root = tmp_path / "theirs"
    root.mkdir()
    monkeypatch.chdir(root)
    subprocess.run([*GIT, "init", "-q"], check=True)
    for number in range(6):
        slow = "SLOW\n" if number >= 3 else ""
        (root / "mine.py").write_text(f"# {number}\n{slow}ENGINE = None\n")
        (root / "other.txt").write_text(str(number))
        subprocess.run([*GIT, "add", "."], check=True)
        subprocess.run([*GIT, "commit", "-q", "-m", f"edit {number}"], check=True)
    return root


def row(word, speed, instructions=None):
    return Row(
        "mine", "cpython-3.14", word, "against", Ratio(speed, speed * 0.99, speed * 1.01, 8), instructions=instructions
    )


@pytest.fixture
def gate(monkeypatch):
    """The gate, asked for by `bisect`: a row made of what stands in the file at the commit asked for."""
    asked = []

    def make(changed, same):
        def check(engines, pythons, *, against=None, against_python=None, **options):
            asked.append(against or pythons[0])
            assert options["name"].startswith("bisect-") and all(hold.endswith("=off") for hold in options["hold"])
            if against is not None:
                text = subprocess.run(["git", "show", f"{against}:./mine.py"], capture_output=True, text=True).stdout
                found = same if "SLOW" in text else changed
            else:
                found = changed if int(pythons[0].split("/")[-3].removeprefix("build-")) >= 9 else same
            return types.SimpleNamespace(rows=[found])

        monkeypatch.setattr("bench.api.gating.check", check)
        return asked

    return make


@pytest.mark.parametrize(
    ("changed", "same", "by"),
    [
        (row("REGRESSED", 0.9), row("PASS", 1.0), "time"),
        (row("IMPROVED", 1.2), row("PASS", 1.0), "time"),
        (row("PASS", 0.995, 0.98), row("REGRESSED", 0.97, 1.0), "instructions"),  # the times say otherwise
        (row("REGRESSED", 0.9), row("INCONCLUSIVE", 0.99), "time"),
    ],
)
def test_the_commit_that_brought_the_change(repository, gate, bench_command, changed, same, by):
    asked = gate(changed, same)
    found = bench.bisect("HEAD~5", engine="mine.py")
    assert found.about == "edit 3" and found.candidates == 5 and len(asked) == len(found.tried) == 3
    assert {tried.by for tried in found.tried[1:]} == {by}
    assert found.sure is (same.word != "INCONCLUSIVE")
    done = bench_command("bisect", "HEAD~5", "HEAD", "--engine", "mine.py")
    assert done.exit_code == (0 if found.sure else 1)
    assert f"the change came with {found.first} edit 3" in done.stdout


def test_no_change(repository, gate, bench_command):
    gate(row("PASS", 1.0), row("PASS", 1.0))
    done = bench_command("bisect", "HEAD~5", "--engine", "mine.py")
    assert done.exit_code == 1 and "no change of mine.py from HEAD~5 to HEAD" in done.stdout
    gate(row("INCONCLUSIVE", 0.97), row("PASS", 1.0))
    assert "undecided whether there is a change" in bench_command("bisect", "HEAD~5", "--engine", "mine.py").stdout


def test_builds_are_in_the_order_of_their_names(tmp_path, gate, bench_command):
    asked = gate(row("REGRESSED", 0.9), row("PASS", 1.0))
    for number in (1, 2, 5, 9, 10, 11):
        (tmp_path / f"build-{number}" / "bin").mkdir(parents=True)
        for name in ("python3.14", "python3.14-config", "python3"):
            (tmp_path / f"build-{number}" / "bin" / name).write_text("")
    done = bench_command("bisect", "build-1", "build-11", "--engine", "tape")
    assert done.exit_code == 0, done.output
    assert "the change came with" in done.stdout and "build-9/bin/python3.14 build-9" in done.stdout
    assert asked[0].endswith("build-11/bin/python3.14")


def test_a_build_may_be_a_link_to_where_it_is_installed(tmp_path, gate, bench_command):
    gate(row("REGRESSED", 0.9), row("PASS", 1.0))
    (tmp_path / "builds").mkdir()
    for number in (8, 9, 10):
        (tmp_path / f"at-{number}" / "bin").mkdir(parents=True)
        (tmp_path / f"at-{number}" / "bin" / "python3.14").write_text("")
        (tmp_path / "builds" / f"build-{number}").symlink_to(tmp_path / f"at-{number}")
    done = bench_command("bisect", "builds/build-8", tmp_path / "builds" / "build-10", "--engine", "tape")
    assert done.exit_code == 0, done.output
    assert "build-9/bin/python3.14 build-9" in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="a build is a shell script here")
def test_each_step_of_a_real_search_has_its_own_time(tmp_path):
    """Four builds, on the last two of which an engine takes twice as long: by the command, whose process has one beginning."""
    for number in range(1, 5):
        program = tmp_path / "builds" / str(number) / "bin" / "python3"
        program.parent.mkdir(parents=True)
        slow = "PYTHONUTF8=1 " if number >= 3 else "PYTHONUTF8=0 "
        program.write_text(f'#!/bin/sh\n{slow}exec "{sys.executable}" "$@"\n')
        program.chmod(0o755)
    combined = (ROOT / "engines" / "combined.py").read_text()
    update = next(line for line in combined.splitlines(keepends=True) if line.startswith("    def update("))
    slower = combined.replace(update, f"{update}        sum(range(400_000 * sys.flags.utf8_mode))\n")
    (tmp_path / "mine.py").write_text(
        slower.replace("import math", "import math\nimport sys").replace('"combined"', '"mine"')
    )
    options = ["--engine", "mine.py", "--budget", "20s", "--threshold", "0.2"]
    command = [sys.executable, "-m", "bench", "bisect", "builds/1", "builds/4", *options]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    # on a busy machine equal builds may be undecided, which is told, and exit status 1
    assert done.returncode in (0, 1) and "the change came with" in done.stdout, done.stdout + done.stderr
    assert "builds/3/bin/python3 3" in done.stdout.split("the change came with")[1], done.stdout
    assert "too short" not in done.stderr and len(list((tmp_path / "results").glob("bisect-*"))) == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["HEAD~5", "--engine", "none.py"], "no engine file none.py"),
        (["HEAD~5", "--engine", "none"], "no engine 'none'"),
        (["nothing", "--engine", "mine.py"], "bisect nothing: no such revision"),
        (["HEAD~5", "HEAD~1", "--engine", "mine.py"], "git switch --detach HEAD~1 first"),
        ([".git/info", ".git/nothing", "--engine", "tape"], ".git/info is a folder and .git/nothing is none"),
        (["HEAD", "HEAD", "--engine", "mine.py"], "no commit between HEAD and HEAD touches"),
        ([".", ".", "--engine", "tape"], "does not come before"),
        ([".", ".git", "--engine", "tape"], "are not in one folder"),
        ([".git/info", ".git/objects", "--engine", "tape"], "has no Python: expected bin/python3"),
        ([".git/info", ".git/objects", "--python", sys.executable], "--python is for a search between commits"),
    ],
)
def test_bad_input_is_refused_in_a_line(repository, bench_command, arguments, words):
    done = bench_command("bisect", *arguments)
    assert done.exit_code == 2 and words in done.stderr and done.stderr.count("\n") == 1


def test_what_is_not_committed_is_not_searched(repository, bench_command):
    (repository / "mine.py").write_text("ENGINE = 1\n")
    done = bench_command("bisect", "HEAD~5", "--engine", "mine.py")
    assert done.exit_code == 2 and "changes that are not committed" in done.stderr


def test_an_engine_that_the_gate_cannot_compare(repository, gate, bench_command):
    gate(row("DIVERGED", 1.0), row("PASS", 1.0))
    done = bench_command("bisect", "HEAD~5", "--engine", "mine.py")
    assert done.exit_code == 2 and "mine cannot be compared at the whole change: DIVERGED" in done.stderr
