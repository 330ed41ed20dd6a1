"""Only a regression exits with 1: bad input is one line and status 2, a fault of ours has a status of its own."""

import os
import pathlib
import stat
import sys

import pytest

from bench.host import interpreters


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
