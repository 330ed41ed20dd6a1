"""Only a regression exits with 1: bad input is one line and status 2, a fault of ours has a status of its own."""

import json
import os
import pathlib
import re
import stat
import subprocess
import sys

import pytest

from bench.cli import main
from bench.host.system import interpreters
from tests.host.conftest import SMALL

ROOT = pathlib.Path(__file__).resolve().parents[2]


def one_line(done):
    """Bad input: status 2 and one line on standard error."""
    assert done.exit_code == 2, done.output
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("microgpt-bench: "), done.stderr
    return lines[0]


def program(text, name="odd-python"):
    """An executable file of these bytes; its path."""
    path = pathlib.Path(name).resolve()
    path.write_bytes(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


ANSWERS = [
    b"[1,2]",
    b"5",
    b"null",
    b'"cpython"',
    b"{}",
    b"",
    b"\xff\xfe\x00",
    b"[" * 100_000,
    b"NaN",
    b'{"implementation":"cpython"}',
    b'{"implementation":"cpython","python":3}',
    b'{"python":[3]}',
]


@pytest.mark.skipif(os.name != "posix", reason="a shell script stands for an interpreter")
@pytest.mark.parametrize("answer", ANSWERS, ids=[repr(answer[:20]) for answer in ANSWERS])
@pytest.mark.parametrize("marked", [True, False])
def test_b6_an_interpreter_that_says_anything(bench_command, answer, marked):
    pathlib.Path("answer").write_bytes(interpreters.MARK.encode() * marked + answer)
    path = program(b"#!/bin/sh\ncat '%s'\n" % os.fsencode(pathlib.Path("answer").resolve()))
    assert "odd-python" in one_line(bench_command("run", "--python", path))
    assert not pathlib.Path("results").exists()


@pytest.mark.skipif(os.name != "posix", reason="a shell script stands for an interpreter")
@pytest.mark.parametrize(
    "fact, value",
    [
        ("implementation", "'../../elsewhere'"),
        ("implementation", "None"),
        ("python", "'three'"),
        ("python", "'3'"),
        ("gil", "'yes'"),
        ("pgo", "1"),
        ("jit", "None"),
        ("build", "['x']"),
        ("build", "'two\\nlines'"),
        ("libc", "'\\x1b[2J'"),
        ("more", "{'a': 1}"),
    ],
)
def test_b6_an_interpreter_with_one_odd_fact(bench_command, fact, value):
    text = f"#!{sys.executable}\nimport sys; sys.path[:0] = [sys.argv[-2]]\nimport json\n"
    text += f"from bench.workload import runtime\nprint(sys.argv[-1] + json.dumps({{**runtime.describe(), {fact!r}: {value}}}))\n"
    assert f"its {fact} " in one_line(bench_command("run", "--python", program(text.encode())))


@pytest.mark.parametrize("value", ['"unclosed', "'", "A=\\", "=", "A", "²=3", "3.12:", "A=1 B", ""])
def test_b6_odd_switches(bench_command, value):
    one_line(bench_command("run", "--python", sys.executable, "--env", value))


@pytest.mark.parametrize(
    "value", ["", "=", "a b=/bin/true", "x=", "２.１２", "3.²", "~nobody/x", ".", "/", "/dev/null"]
)
def test_b6_odd_interpreters(bench_command, value):
    one_line(bench_command("run", "--python", value))


# --------------------------------------------------------------------- B5


def shell(script, tmp_path, **environment):
    """The command line in a process of its own, as $BENCH of a shell's script."""
    return subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "BENCH": f"{sys.executable} -m bench", **environment},
        capture_output=True,
        timeout=600,
    )


NEEDED = {  # arguments without which a command is not begun
    "bisect": ["a"],
    "compare": ["a", "b"],
    "explain": ["a"],
    "show": ["a"],
    "claims": ["a"],
    "merge": ["a"],
    "profile": ["tape"],
}


def command_of(name):
    return main.cli.get_command(None, name)


class RustPanic(BaseException):
    """Libraries in Rust raise what is no Exception."""


@pytest.mark.parametrize("error", [RuntimeError("two\nlines"), MemoryError(), RecursionError("deep"), RustPanic("x")])
@pytest.mark.parametrize("command", sorted(main.COMMANDS))
def test_b5_a_fault_of_ours_has_a_status_of_its_own(bench_command, monkeypatch, tmp_path, command, error):
    def broken(**_):
        raise error

    monkeypatch.setattr(command_of(command), "callback", broken)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    done = bench_command(command, *NEEDED.get(command, []))
    assert done.exit_code == 70
    (line,) = done.stderr.strip().splitlines()
    assert "an error of microgpt-bench itself" in line and type(error).__name__ in line
    report = pathlib.Path(line.rpartition("report it with ")[2]).read_text()
    assert "Traceback (most recent call last)" in report and "in broken" in report and command in report


def test_b5_the_traceback_is_printed_where_no_file_can_be_written(bench_command, monkeypatch):
    monkeypatch.setattr(command_of("engines"), "callback", lambda **_: 1 / 0)
    monkeypatch.setattr("tempfile.mkstemp", lambda *_: (_ for _ in ()).throw(PermissionError(13, "no")))
    done = bench_command("engines")
    assert done.exit_code == 70 and "ZeroDivisionError" in done.stderr and "with the lines above" in done.stderr


def test_b5_a_fault_while_the_command_line_is_imported(tmp_path):
    (tmp_path / "usercustomize.py").write_text("import sys; sys.modules['cattrs'] = None")
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['cattrs'] = None")
    done = shell("$BENCH check", tmp_path, PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}", TMPDIR=str(tmp_path))
    assert done.returncode == 70, done.stderr
    assert done.stderr.count(b"\n") == 1 and b"report it with" in done.stderr
    assert len(list(tmp_path.glob("microgpt-bench-error-*.txt"))) == 1


def test_b5_an_interrupt_is_none(bench_command, monkeypatch):
    def interrupted(**_):
        raise KeyboardInterrupt

    monkeypatch.setattr(command_of("engines"), "callback", interrupted)
    assert bench_command("engines").exit_code == 130


def test_b5_the_status_is_documented(bench_command):
    assert "70 an error of microgpt-bench itself" in " ".join(bench_command("--help").stdout.split())
    assert "70 an error of microgpt-bench itself" in " ".join(bench_command("check", "--help").stdout.split())
    assert re.search(r"^\| 70 \|", (ROOT / "docs" / "gate.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert "70" in (ROOT / "action.yml").read_text(encoding="utf-8")


@pytest.mark.parametrize("broken", ["the command line", "the action's own script"])
def test_b5_the_action_calls_it_an_error(tmp_path, broken):
    outputs = tmp_path / "outputs"
    ours = "import sys; sys.modules['cattrs'] = None" if broken == "the command line" else ""
    (tmp_path / "sitecustomize.py").write_text(ours)
    # python -I, as the action calls the command line, does not look at PYTHONPATH
    started = "lambda words, run=subprocess.run: run([word for word in words if word != '-I'])" if ours else "None"
    gate = f"import runpy, sys, subprocess\nsubprocess.run = {started}\n"
    gate += f"runpy.run_path({str(ROOT / '.github' / 'gate.py')!r}, run_name='__main__')"
    (tmp_path / "gate.py").write_text(gate)
    done = shell(
        f"{sys.executable} gate.py",
        tmp_path,
        PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}",
        GITHUB_OUTPUT=str(outputs),
        RUNNER_TEMP=str(tmp_path),
    )
    assert done.returncode == 70, done.stderr
    assert "status=70\nverdict=error\n" in outputs.read_text()


# --------------------------------------------------------------------- B8


ENDS = ["| true", "| head -c 1", ">&-", "2>&-", "<&-", "<&- >&- 2>&-", "2>&1 | true"]
PRINTING = ["compare FILE small", "history", "engines", "report small", "--help", "show small --format json"]


@pytest.mark.skipif(os.name != "posix", reason="a shell's pipes")
@pytest.mark.parametrize(
    "what, end", [*(("show small", end) for end in ENDS), *((what, "| true") for what in PRINTING)]
)
def test_b8_a_closed_pipe_ends_the_printing_only(kept, tmp_path, what, end):
    (name,) = json.loads(pathlib.Path("results/small/run.json").read_text())["runtimes"]
    what = what.replace("FILE", f"results/small/timings/{name}.json")
    done = shell(f"set -o pipefail; $BENCH {what} {end}", tmp_path)
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr and b"Exception ignored" not in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="a shell's pipes")
@pytest.mark.parametrize("end", ["| true", "| head -1", ">&-", "2>&1 | true", "<&- >&- 2>&-"])
def test_b8_training_goes_on_and_its_files_are_written(documents, tmp_path, end):
    done = shell(
        f"set -o pipefail; $BENCH train --engine vector --data {documents} --n-embd 4 --n-head 1 --block-size 4"
        f" --steps 400 --save model.json --losses losses.txt {end}",
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert len(pathlib.Path("losses.txt").read_text().splitlines()) == 400
    assert json.loads(pathlib.Path("model.json").read_text())["steps"] == 400


MINE = (
    "import dataclasses\nfrom engines import load\nBASE = load('fused_dot')\nENGINE = dataclasses.replace(BASE, {})\n"
)


@pytest.fixture(scope="module")
def two_engines(tmp_path_factory):
    """A repository in which one engine is edited and as good as it was, and another one became wrong."""
    folder = tmp_path_factory.mktemp("engines")
    for name in ("good", "wrong"):
        (folder / f"{name}.py").write_text(MINE.format(f"name='{name}', parent='fused_dot'"))
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "an engine"]):
        subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@e.org", *command], cwd=folder, check=True)
    wrong = "name='wrong', parent='fused_dot', relu=lambda x: [xi.relu() * 1.000001 for xi in x]"
    (folder / "wrong.py").write_text(MINE.format(wrong))
    return folder


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="a shell's pipes")
@pytest.mark.parametrize("end", ["| true", "2>&1 | true", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_b8_run_and_check_end_with_their_own_status(documents, tmp_path, two_engines, end):
    common = f"--data {documents} --python {sys.executable} {' '.join(SMALL)} --steps 1"
    done = shell(f"set -o pipefail; $BENCH run {common} --engine vector --rounds 1 --name one {end}", tmp_path)
    assert done.returncode == 0, done.stderr
    assert pathlib.Path("results/one/tables.md").is_file()
    for engine, status in (("good", 0), ("wrong", 1)):
        files = f"--json {status}.json --junit-xml {status}.xml"
        against = f"--engine {two_engines}/{engine}.py --against HEAD --budget 0.1s --no-instructions"
        done = shell(f"set -o pipefail; $BENCH check {common} {against} {files} {end}", tmp_path)
        assert done.returncode == status, done.stderr
        assert json.loads(pathlib.Path(f"{status}.json").read_text())["exit_status"] == status
        assert pathlib.Path(f"{status}.xml").read_text().startswith("<?xml")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device that is always full")
def test_b8_output_that_is_lost_is_said(documents, tmp_path):
    done = shell(f"$BENCH train --engine vector --data {documents} --steps 3 --save m.json > /dev/full", tmp_path)
    assert done.returncode == 2 and b"standard output cannot be written" in done.stderr
    assert done.stderr.count(b"\n") == 1 and pathlib.Path("m.json").is_file()
    done = shell(f"$BENCH train --engine vector --data {documents} --steps 3 --save n.json 2> /dev/full", tmp_path)
    assert done.returncode == 0 and pathlib.Path("n.json").is_file()
