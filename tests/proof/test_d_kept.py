"""Kept means kept: one process at a time writes into a run, its rounds stay as they are, and nothing is left lying about."""

import contextlib
import dataclasses
import errno
import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import psutil
import pytest

from bench.host.measure import counters
from bench.host.results import round_files, store
from bench.host.system import locks, processes, workspace
from bench.host.system.errors import UsageError
from tests.host.conftest import SMALL, engine_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
SLOW = "ENGINE = replace(backward=lambda loss: (time.sleep(0.2), BASE.backward(loss))[1])\n"


def digests(folder):
    """Every file in it."""
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob("*")) if path.is_file()}


def wait_for(what, seconds=300):
    """What ``what()`` returns as soon as that is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come")


@pytest.fixture
def own_temporary(tmp_path, monkeypatch):
    """A folder for temporary files that no other test's commands use."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def heed_signals():
    """Where the tests run in a shell's background some signals are ignored, and children inherit that."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture
def started(tmp_path, documents, own_temporary):
    """Start a run of an engine in a process of its own; ended with the test."""
    with contextlib.ExitStack() as stack:

        def start(engine, *options, rounds=50):
            command = [
                sys.executable, "-m", "bench", "run", "--python", sys.executable, "--data", documents, *SMALL, "--steps",
                "2", "--rounds", str(rounds), "--engine", engine, "--name", "running", *options,
            ]  # fmt: skip
            process = subprocess.Popen(
                command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                env={**os.environ, "PYTHONPATH": str(ROOT)}, preexec_fn=heed_signals,
            )  # fmt: skip
            stack.callback(process.wait)
            stack.callback(process.kill)
            return process

        yield start


# --------------------------------------------------------------------- D18: one process at a time


@pytest.mark.slow
def test_d18_a_run_is_locked_while_it_is_measured(started, tmp_path, bench_command, monkeypatch):
    monkeypatch.setattr(counters, "COLLECTOR_NANOSECONDS", 1_000_000)
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name, *rest: None if name == "valgrind" else which(name, *rest))
    process = started(engine_file(tmp_path, "slow", SLOW))
    folder = tmp_path / "results" / "running"
    wait_for((folder / "rounds" / "001.json").exists)
    for words in (["run", "--resume", folder], ["count", folder], ["run", "--resume", "running"]):
        done = bench_command(*words)
        assert done.exit_code == 2, done.output
        assert f"is being measured by process {process.pid}" in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert bench_command("show", folder).exit_code == 0
    first = (folder / "rounds" / "001.json").read_bytes()
    process.kill()
    process.wait()
    assert bench_command("show", folder).exit_code == 0
    before = {path: digest for path, digest in digests(folder / "rounds").items() if not path.name.startswith(".")}
    done = bench_command("count", folder, "--engine", "reference")  # what was killed holds no lock
    assert done.exit_code == 0, done.output
    assert {path: digests(folder / "rounds").get(path) for path in before} == before
    assert (folder / "rounds" / "001.json").read_bytes() == first


def test_d18_two_writers_of_one_process(small_run, bench_command, tmp_path):
    assert small_run("--engine", "reference").exit_code == 0
    folder = tmp_path / "results" / "small"
    before = digests(folder)
    held = locks.Lock(folder)
    for words in (["run", "--resume", folder], ["count", folder]):
        done = bench_command(*words)
        assert (done.exit_code, done.stdout) == (2, ""), done.output
        assert f"process {os.getpid()}" in done.stderr
    assert bench_command("report", folder, "--output", tmp_path / "report.html").exit_code == 0
    held.release()
    assert digests(folder) == before
    assert bench_command("run", "--resume", folder).exit_code == 0
    assert digests(folder) == before


def test_d18_where_there_are_no_locks_the_living_process_is_one(tmp_path, monkeypatch):
    def no_locks(descriptor, operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    held = locks.Lock(tmp_path)
    with pytest.raises(locks.Busy, match=str(os.getpid())):
        locks.Lock(tmp_path)
    held.release()
    assert not any(tmp_path.iterdir())
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for content in (f"{dead.pid} 1.0\n", f"{os.getpid()} 12.5\n", "", "garbage", "1\n"):
        (tmp_path / locks.NAME).write_text(content)
        locks.Lock(tmp_path).release()


def test_d18_a_rounds_file_is_never_replaced(small_run, tmp_path):
    small_run("--engine", "reference")
    run = store.load(tmp_path / "results" / "small")
    other = run.folder / "rounds" / "003.json"
    other.write_text("another process's")
    entry = dataclasses.replace(run.rounds[-1], number=3)
    with pytest.raises(UsageError, match=r"003\.json exists already, so round 3 was saved as 003-of-process-"):
        store.add_round(run, entry)
    assert other.read_text() == "another process's"
    other.unlink()
    (kept,) = other.parent.glob("003-*.json")
    kept.rename(other)
    assert store.load(run.folder).rounds[-1] == entry


@pytest.mark.parametrize("links", [True, False])
def test_d18_a_new_file_is_whole_or_not_there(tmp_path, monkeypatch, links):
    def no_links(*_):
        raise OSError(errno.EPERM, "no hard links here")

    if not links:
        monkeypatch.setattr(os, "link", no_links)
    path = tmp_path / "001.json"
    round_files.write_new(path, "one")
    with pytest.raises(FileExistsError):
        round_files.write_new(path, "two")
    assert path.read_text() == "one" and list(tmp_path.iterdir()) == [path]


# --------------------------------------------------------------------- D20: rounds on disk


def test_d20_a_thousand_rounds_and_stray_files(small_run, bench_command, tmp_path):
    small_run("--engine", "reference")
    folder = tmp_path / "results" / "small"
    text = json.loads((folder / "rounds" / "001.json").read_text())
    for number in range(1, 1105):
        (folder / "rounds" / f"{number:03d}.json").write_text(json.dumps({**text, "number": number}))
    for stray in ("notes.json", "001 (copy).json", "1.json", "0001.json", ".005.json.part", "002.json~", "²²².json"):
        (folder / "rounds" / stray).write_text("no round")
    assert [entry.number for entry in store.load(folder).rounds] == list(range(1, 1105))
    (folder / "rounds" / "1000.json").unlink()
    done = bench_command("show", folder)
    assert done.exit_code == 2 and "lacks round 1000" in done.stderr
    (folder / "rounds" / "1001.json").rename(folder / "rounds" / "1000.json")
    done = bench_command("show", folder)
    assert done.exit_code == 2 and "1000.json holds round 1001" in done.stderr


def meddle(monkeypatch, what):
    """Do something to the run's folder just before round 2 is written."""
    usual, still = store.add_round, [what]

    def add_round(run, entry):
        if entry.number == 2 and still:
            still.pop()(run.folder)
        usual(run, entry)

    monkeypatch.setattr(store, "add_round", add_round)


def remove_all(folder):
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()


MEDDLING = {
    "removed": (
        lambda folder: (folder / "rounds" / "001.json").unlink(),
        "001.json was removed, and was written again",
    ),
    "changed": (lambda folder: (folder / "rounds" / "001.json").write_text("{}"), "001.json was changed"),
    "emptied": (lambda folder: (folder / "rounds" / "001.json").write_text(""), "001.json was changed"),
    "folder": (remove_all, "001.json was removed, and was written again"),
    "moved": (lambda folder: folder.rename(folder.with_name("elsewhere")), "001.json was removed"),
}


@pytest.mark.parametrize("how", MEDDLING)
def test_d20_a_round_that_goes_or_changes_meanwhile_is_noticed(small_run, monkeypatch, tmp_path, bench_command, how):
    what, said = MEDDLING[how]
    meddle(monkeypatch, what)
    done = small_run("--engine", "reference", "--rounds", 4)
    assert done.exit_code == 2
    assert said in done.stderr.splitlines()[-1]
    folder = tmp_path / "results" / "small"
    assert json.loads((folder / "rounds" / "002.json").read_text())["number"] == 2
    if how not in ("changed", "emptied"):
        assert len(store.load(folder).rounds) == 2
        monkeypatch.undo()
        monkeypatch.chdir(tmp_path)
        assert bench_command("run", "--resume", folder).exit_code == 0
        assert len(store.load(folder).rounds) == 4


@pytest.mark.parametrize("rounds", [0, 1])
def test_d20_a_folder_that_is_another_runs_meanwhile_is_left_to_it(
    small_run, monkeypatch, tmp_path, bench_command, rounds
):
    """Removed, and made again under the same name: that one keeps its files, and this one is kept beside it."""

    def taken_over(folder):
        ours = store.load(folder)
        remove_all(folder)
        theirs = store.create(folder, dataclasses.replace(ours.record, command="another run"))
        for entry in ours.rounds[:rounds]:
            store.add_round(theirs, entry)

    meddle(monkeypatch, taken_over)
    done = small_run("--engine", "reference")
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    last = done.stderr.splitlines()[-1]
    assert done.exit_code == 2 and "is another run's by now" in last and "--resume" in last
    folder = tmp_path / "results" / "small"
    assert store.load(folder).record.command == "another run" and len(store.load(folder).rounds) == rounds
    (beside,) = folder.parent.glob("small-of-process-*")
    assert len(store.load(beside).rounds) == 2
    assert bench_command("run", "--resume", beside).exit_code == 0


def test_d20_a_round_that_is_only_touched_is_the_same(small_run, monkeypatch):
    meddle(monkeypatch, lambda folder: os.utime(folder / "rounds" / "001.json", (1, 1)))
    assert small_run("--engine", "reference").exit_code == 0


# --------------------------------------------------------------------- D21: nothing is left behind

CHILDREN = {
    "child": "subprocess.Popen([sys.executable, '-c', SLEEP])",
    "own session": "subprocess.Popen([sys.executable, '-c', SLEEP], start_new_session=True)",
    "grandchild": "subprocess.Popen([sys.executable, '-c', 'import subprocess, sys; subprocess.Popen("
    '[sys.executable, "-c", sys.argv[1]], start_new_session=True)\', SLEEP]).wait()',
    "empty environment": "subprocess.Popen([sys.executable, '-c', SLEEP], env={})",
    "empty environment, own session": "subprocess.Popen([sys.executable, '-c', SLEEP], env={}, start_new_session=True)",
}
ENDINGS = {
    "well": "",
    "dies": "os._exit(3)",
    "killed": "os.kill(os.getpid(), 9)",
    "raises": "raise RuntimeError('no')",
    "hangs": "time.sleep(1000)",
}


def left(word):
    """Living processes whose command has this word."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid != os.getpid() and any(word in part for part in process.cmdline()):
                found.append(process)
    return found


def with_child(tmp_path, child, ending):
    """An engine that leaves a child at its first backward pass, and a word in that child's command."""
    word = f"sleeper-{os.getpid()}-{tmp_path.name}"
    text = (
        f"import subprocess\nSLEEP = 'import time; time.sleep(300)  # {word}'\nDONE = []\n"
        f"def backward(loss):\n    if not DONE:\n        DONE.append({CHILDREN[child]})\n        {ENDINGS[ending] or 'pass'}\n"
        "    BASE.backward(loss)\nENGINE = replace(backward=backward)\n"
    )
    return engine_file(tmp_path, "parent", text), word


PAIRS = [(child, "well") for child in CHILDREN] + [("own session", ending) for ending in ENDINGS if ending != "well"]
# who empties its environment and leaves the session is nobody's once its parent is dead
PAIRS += [("empty environment", "dies"), ("empty environment, own session", "hangs"), ("grandchild", "killed")]


@pytest.mark.slow
@pytest.mark.parametrize("child, ending", PAIRS)
def test_d21_what_a_worker_started_ends_with_it(tmp_path, bench_command, documents, own_temporary, child, ending):
    engine, word = with_child(tmp_path, child, ending)
    bench_command(
        "run", "--python", sys.executable, "--data", documents, *SMALL, "--steps", 1, "--rounds", 1, "--engine", engine,
        "--timeout", "4s", "--name", "left",
    )  # fmt: skip
    assert not left(word)
    assert not any(own_temporary.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGQUIT", "SIGINT"])
def test_d21_a_signal_ends_a_run_in_order(started, tmp_path, own_temporary, name, bench_command):
    process = started(engine_file(tmp_path, "slow", SLOW))
    folder = tmp_path / "results" / "running"
    wait_for((folder / "rounds" / "001.json").exists)
    process.send_signal(getattr(signal, name))
    if name == "SIGHUP":
        process.send_signal(signal.SIGHUP)  # as a closed terminal does
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 128 + getattr(signal, name)
    assert "go on with: microgpt-bench run --resume results/running" in errors
    assert "Traceback" not in errors
    assert not any(own_temporary.iterdir()) and not left(str(own_temporary))
    assert store.load(folder).rounds and not (folder / locks.NAME).exists()


@pytest.mark.slow
def test_d21_what_a_killed_run_left_goes_at_the_next_start(started, tmp_path, own_temporary, bench_command, documents):
    engine, word = with_child(tmp_path, "own session", "hangs")
    process = started(engine, "--timeout", "10m")
    wait_for(lambda: left(word))
    process.kill()
    process.wait()
    assert len(list(own_temporary.glob("microgpt-bench-*"))) == 1 and left(word)
    done = bench_command(
        "run", "--python", sys.executable, "--data", documents, *SMALL, "--steps", 1, "--rounds", 1, "--engine",
        "reference", "--name", "next",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert not left(word) and not left(str(own_temporary)) and not any(own_temporary.iterdir())


def test_d21_the_folders_of_others_stay(own_temporary, tmp_path):
    """Of a run that goes on, of an older version, being made, a file or a link of that name."""
    with workspace.Workspace() as going_on:
        (own_temporary / "microgpt-bench-older" / "source").mkdir(parents=True)
        (own_temporary / "microgpt-bench-file").write_text("mine")
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "elsewhere" / locks.NAME).write_text("")
        (own_temporary / "microgpt-bench-link").symlink_to(tmp_path / "elsewhere")
        workspace.sweep()
        assert len(list(own_temporary.iterdir())) == 4
        assert going_on.folder.is_dir()
    assert len(list(own_temporary.iterdir())) == 3 and (tmp_path / "elsewhere").is_dir()
    assert processes.MARKER not in os.environ


def test_d21_what_a_killed_process_kept_of_its_standard_input_goes(own_temporary):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for name in (f"{dead.pid}-a", f"{os.getpid()}-b", "of-an-older-version", f"{'9' * 40}-c"):
        (own_temporary / f"{workspace.DATA}{name}.txt").write_text("documents")
    workspace.sweep()
    assert {path.name for path in own_temporary.iterdir()} >= {
        f"{workspace.DATA}{os.getpid()}-b.txt", f"{workspace.DATA}of-an-older-version.txt"
    }  # fmt: skip
    assert not list(own_temporary.glob(f"*-{dead.pid}-*"))


@pytest.mark.slow
def test_d21_train_keeps_what_it_was_asked_for_at_a_signal(tmp_path, documents):
    command = [sys.executable, "-m", "bench", "train", "--data", documents, "--steps", "100000", "--losses", "l.txt"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    for _ in range(6):
        process.stdout.readline()
    process.terminate()
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 143 and "interrupted after" in errors
    assert (tmp_path / "l.txt").read_text().startswith("0x1.")


@pytest.mark.slow
def test_d21_what_a_peer_started_ends_with_it(tmp_path, bench_command, documents, own_temporary):
    word = f"sleeper-{os.getpid()}-{tmp_path.name}"
    program = (
        "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)', sys.argv[1]],"
        " start_new_session=True, stdout=subprocess.DEVNULL)"
    )
    command = json.dumps([sys.executable, "-c", program, word])
    (tmp_path / "peers.toml").write_text(f"[peers.parent]\ncommand = {command}\n")
    done = bench_command("peers", "peers.toml", "--python", sys.executable, "--data", documents, *SMALL, "--steps", 2,
        "--rounds", 1)  # fmt: skip
    assert "parent" in done.output and not left(word)
    assert not any(own_temporary.iterdir())


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("valgrind"), reason="needs Valgrind")
def test_d21_what_a_killed_count_left_goes_at_the_next_start(small_run, tmp_path, own_temporary):
    assert small_run("--engine", "reference").exit_code == 0
    command = [sys.executable, "-m", "bench", "count", "results/small", "--engine", "reference"]
    process = subprocess.Popen(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        wait_for(lambda: any("cachegrind" in " ".join(one.cmdline()) for one in left(str(own_temporary))))
    finally:
        process.kill()
        process.wait()
    assert len(list(own_temporary.iterdir())) == 2  # the command's, and the counting's own
    with workspace.Workspace():
        assert not left(str(own_temporary)) and len(list(own_temporary.iterdir())) == 1
    assert not any(own_temporary.iterdir())


def test_d21_a_shell_that_is_told_to_ignore_hang_ups_is_obeyed(tmp_path):
    """As nohup does it: a signal that was ignored before stays so."""
    text = (
        "import os, signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "from bench.cli import signals\n"
        "with signals.as_interrupts() as received:\n"
        "    os.kill(os.getpid(), signal.SIGHUP)\n"
        "    assert not received\n"
        "    try:\n"
        "        os.kill(os.getpid(), signal.SIGTERM); print('went on')\n"
        "    except KeyboardInterrupt:\n"
        "        os.kill(os.getpid(), signal.SIGTERM); print(received)\n"
    )
    done = subprocess.run([sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "[<Signals.SIGTERM: 15>]\n", done.stderr
