"""What was asked for is written where it was asked for, and what is read is a file that ends."""

import json
import os
import pathlib
import socket
import subprocess
import sys
import threading

import pytest
from click.testing import CliRunner

from bench.workload import data
from bench.workload.model_file import write_atomically
from tests.host.conftest import SMALL, CommandLine

ROOT = pathlib.Path(__file__).resolve().parents[2]
TINY = ["--n-embd", "4", "--n-head", "1", "--block-size", "8"]
posix = pytest.mark.skipif(os.name != "posix", reason="devices, named pipes and links")


def train(bench_command, documents, *extra):
    return bench_command("train", "--engine", "vector", "--data", documents, *TINY, "--steps", "2", *extra)


@posix
def test_d22_a_device_stays_one(bench_command, documents, kept):
    for arguments in (["--save", "/dev/null"], ["--losses", "/dev/null"]):
        done = train(bench_command, documents, *arguments)
        assert done.exit_code == 0, done.stderr
    assert bench_command("report", "small", "--output", "/dev/null").exit_code == 0
    assert not pathlib.Path("/dev/null").is_file() and pathlib.Path("/dev/null").exists()
    done = train(bench_command, documents, "--save", "/dev/full")
    assert done.exit_code == 2 and "No space" in done.stderr and done.stderr.count("\n") == 1


@posix
def test_d22_a_named_pipe_is_written_into(bench_command, documents):
    os.mkfifo("pipe")
    read = []
    reader = threading.Thread(target=lambda: read.append(pathlib.Path("pipe").read_text()), daemon=True)
    reader.start()
    assert train(bench_command, documents, "--save", "pipe").exit_code == 0
    reader.join(10)
    assert json.loads(read[0])["steps"] == 2 and pathlib.Path("pipe").is_fifo()


@posix
def test_d22_a_named_pipe_that_nobody_reads_is_no_hang(bench_command, documents, monkeypatch):
    monkeypatch.setattr("bench.workload.model_file.PIPE_SECONDS", 0.2)
    os.mkfifo("pipe")
    done = train(bench_command, documents, "--losses", "pipe")
    assert done.exit_code == 2 and "pipe" in done.stderr


@posix
def test_d22_a_link_stays_and_what_it_points_to_is_replaced():
    pathlib.Path("folder").mkdir()
    for target in ("folder/there", "folder/new"):
        pathlib.Path("folder/there").write_text("old")
        link = pathlib.Path(f"link to {pathlib.Path(target).name}")
        link.symlink_to(target)
        write_atomically(link, "new")
        assert link.is_symlink() and pathlib.Path(target).read_text() == "new"
    assert sorted(os.listdir("folder")) == ["new", "there"]


@posix
@pytest.mark.parametrize("where", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "/dev/fd/3", "-"])
def test_d22_open_files_are_written_into(tmp_path, documents, where):
    if not os.path.exists(where.replace("3", "1")) and where != "-":
        pytest.skip(f"no {where}")
    output, third = tmp_path / "output", tmp_path / "third"
    command = f"{sys.executable} -m bench train --engine vector --data {documents} {' '.join(TINY)} --steps 2"
    done = subprocess.run(
        ["bash", "-c", f"{command} --losses {where} > output 3> third"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    lines = (third if "3" in where else output).read_text().splitlines()
    losses = [line for line in lines if line.startswith("0x")]
    assert len(losses) == 2 and not pathlib.Path("-").exists()
    assert ("step" in output.read_text()) == (where != "-")
    assert ("step" in done.stderr) == (where == "-")


def test_d22_a_dash_is_standard_output(bench_command, documents, kept):
    done = train(bench_command, documents, "--save", "-")
    assert done.exit_code == 0 and json.loads(done.stdout)["steps"] == 2 and "step    2" in done.stderr
    done = bench_command("report", "small", "--output", "-")
    assert done.exit_code == 0 and done.stdout.startswith("<!doctype html>")
    done = train(bench_command, documents, "--save", "-", "--losses", "-")
    assert done.exit_code == 2 and "only one file" in done.stderr
    for arguments in (["history", "--plot", "-"], ["profile", "tape", "--output", "-"]):
        assert bench_command(*arguments).exit_code == 2
    assert not pathlib.Path("-").exists()


def test_d22_a_dash_is_utf_8_in_any_encoding(kept):
    done = CliRunner(charset="ascii").invoke(CommandLine(), ["report", "small", "--output", "-"])
    assert done.exit_code == 0 and not done.stdout_bytes.decode("utf-8").isascii()


@pytest.mark.slow
def test_d22_the_gates_files(bench_command, documents, kept):
    common = ["check", "--baseline", "small", "--data", documents, "--python", sys.executable, *SMALL, "--steps", 3]
    common += ["--engine", "vector", "--threshold", 5]
    done = bench_command(*common, "--json", "-", "--junit-xml", "/dev/null")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["exit_status"] == 0 and "vector" in done.stderr
    done = bench_command(*common, "--junit-xml", "-")
    assert done.exit_code == 0 and done.stdout.startswith("<?xml")


# --------------------------------------------------------------------- D23


@posix
@pytest.mark.parametrize(
    "command", ["run", "check", "train", "generate", "ladder", "scale", "profile tape", "peers p.toml"]
)
def test_d23_data_that_may_never_end(bench_command, monkeypatch, command):
    monkeypatch.setattr(data, "LARGEST_FILE", 1000)
    pathlib.Path("p.toml").write_text('[peers.a]\ncommand = ["true"]\n')
    os.mkfifo("pipe")
    pathlib.Path("folder").mkdir()
    pathlib.Path("large").write_text("abc\n" * 251)
    pathlib.Path("endless").symlink_to("/dev/zero")
    server = socket.socket(socket.AF_UNIX)
    server.bind("socket")
    for path in ("pipe", "/dev/zero", "endless", "folder", "large", "socket", "nowhere", "x" * 300, ""):
        done = bench_command(
            *command.split(), "--data", path, *(["--python", sys.executable] * ("train" not in command))
        )
        if command in ("generate", "ladder"):
            done = bench_command(command, "--data", path)
        assert done.exit_code == 2, (path, done.output)
        assert done.stderr.count("\n") == 1 and "microgpt-bench: " in done.stderr, done.stderr
    server.close()


@pytest.mark.parametrize(
    "raw, said",
    [
        (b"", "has no documents"),
        (b"\xef\xbb\xbf\r\n \n", "has no documents"),
        ("ab\nc\n".encode("utf-16"), "byte"),
        ("ab\nc\n".encode("utf-16-le"), "is not text (byte 1 is 0)"),
        (b"ab\n\xff\n", "is not UTF-8 (byte 3 is 0xff)"),
    ],
)
def test_d23_data_that_is_no_text(bench_command, raw, said):
    pathlib.Path("data").write_bytes(raw)
    done = bench_command("train", "--data", "data")
    assert done.exit_code == 2 and said in done.stderr and done.stderr.count("\n") == 1


def test_d23_the_mark_and_line_ends_of_other_systems_are_no_characters():
    pathlib.Path("data").write_bytes(b"\xef\xbb\xbfab\r\nc\r\n")
    assert data.read_documents("data") == ["ab", "c"]


def given(*arguments, text):
    return CliRunner().invoke(CommandLine(), [str(argument) for argument in arguments], input=text)


def test_d23_standard_input(documents, bench_command, monkeypatch):
    text = pathlib.Path(documents).read_text()
    usual = bench_command("train", "--engine", "vector", "--data", documents, *TINY, "--steps", 2)
    done = given("train", "--engine", "vector", "--data", "-", *TINY, "--steps", 2, text=text)
    assert done.exit_code == 0 and done.stdout == usual.stdout
    assert given("train", "--data", "-", text="").exit_code == 2
    monkeypatch.setattr(data, "LARGEST_FILE", 1000)
    done = given("train", "--data", "-", text="abc\n" * 251)
    assert done.exit_code == 2 and "larger than" in done.stderr and done.stderr.count("\n") == 1


def test_d23_a_run_over_standard_input_cannot_be_taken_up_again(documents, bench_command):
    text = pathlib.Path(documents).read_text()
    arguments = ["--engine", "vector", "--python", sys.executable, *SMALL, "--steps", 2, "--rounds", 1]
    done = given("run", "--data", "-", *arguments, "--name", "piped", text=text)
    assert done.exit_code == 0, done.output
    for again in (["run", "--resume", "piped"], ["count", "piped"], ["explain", "piped"]):
        done = bench_command(*again)
        assert done.exit_code == 2 and "standard input" in done.stderr and done.stderr.count("\n") == 1
