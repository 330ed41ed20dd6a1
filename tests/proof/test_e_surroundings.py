"""The machine around it never decides: what is missing, odd or loud there costs a warning at most."""

import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile

import psutil
import pytest
from click.testing import CliRunner

from bench.host.pages import wording
from bench.host.results import calibration
from bench.host.results.records import RuntimeRecord
from bench.host.system import datasets, interpreters, machine, search_path
from bench.host.system.errors import UsageError
from tests.host.conftest import SMALL, CommandLine

ROOT = pathlib.Path(__file__).resolve().parents[2]

GLOB = pathlib.Path.glob
GREETING = "import sys; print('welcome to this interpreter'); print('[1, 2]'); sys.stdout.write('no end of line')\n"


def virtual_environment(folder, *, startup="", modules=()):
    """An environment of the interpreter that runs the tests: ``startup`` is its sitecustomize, ``modules`` are files."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "sitecustomize.py").write_text(startup)
    for name, text in dict(modules).items():
        (site / name).write_text(text)
    return folder / "bin" / "python"


def script(path, text):
    """An executable script."""
    path.write_text(text)
    path.chmod(0o755)
    return path


LOUD = {
    "print": GREETING,
    "flushed": GREETING + "sys.stdout.flush()\n",
    "descriptor": "import os; os.write(1, b'raw \\xff\\xfe bytes')\n",
    "json": 'print(\'{"implementation": "cpython"}\'); print("null"); print("microgpt-bench describes: 5")\n',
    "much": "print('x' * 1_000_000)\n",
    "at its end": "import atexit; atexit.register(print, 'good bye')\n",
    "standard output replaced": "import io, sys; sys.stdout = io.StringIO(); print('hidden')\n",
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", LOUD)
def test_e26_an_interpreter_that_prints_at_its_start(tmp_path, bench_command, documents, kind):
    python = virtual_environment(tmp_path / "loud", startup=LOUD[kind])
    done = bench_command(
        "run", "--python", f"loud={python}", "--data", documents, *SMALL, "--steps", 2, "--rounds", 1, "--engine",
        "fused_dot", "--name", "loud",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "bit-identical" in done.stdout


def test_e26_a_pth_file_that_prints(tmp_path):
    python = virtual_environment(tmp_path / "loud", modules={"loud.pth": "import sys; print('from a .pth file')\n"})
    assert interpreters.describe(str(python), {})["python"].startswith(f"3.{sys.version_info[1]}.")


def test_e26_a_script_that_echoes_its_arguments(tmp_path, bench_command, documents):
    loud = script(tmp_path / "loud", f'#!/bin/sh\necho "starting $@"\nset -x\nexec {sys.executable} "$@"\n')
    done = bench_command(
        "run", "--python", loud, "--data", documents, *SMALL, "--steps", 1, "--rounds", 1, "--engine", "reference"
    )
    assert done.exit_code == 0, done.output


def test_e26_what_is_no_interpreter_is_named_by_what_it_printed(tmp_path):
    fake = script(tmp_path / "fake", "#!/bin/sh\necho 'choose a version first'\n")
    with pytest.raises(UsageError, match="not work as a Python interpreter: exit status 0, and it printed 'choose a v"):
        interpreters.describe(str(fake), {})


def test_e26_a_worker_that_never_begins_is_named_by_what_it_printed(tmp_path, bench_command, documents):
    """It describes itself, but workers meet a message."""
    text = f'case "$*" in *bench.workload.worker*) echo "no licence left";; *) exec {sys.executable} "$@";; esac'
    fake = script(tmp_path / "fake", f"#!/bin/sh\n{text}\n")
    done = bench_command(
        "run", "--python", fake, "--data", documents, *SMALL, "--steps", 1, "--rounds", 1, "--engine", "reference",
        "--name", "mute",
    )  # fmt: skip
    assert done.exit_code == 1
    assert "exit status 0: no message, and it printed 'no licence left'" in done.stdout
    assert json.loads((tmp_path / "results" / "mute" / "rounds" / "001.json").read_text())


@pytest.mark.parametrize("charset", ["latin-1", "cp1252", "ascii", "utf-8"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["show", "small"],
        ["show", "small", "--format", "json"],
        ["compare", "small", "other", "--allow-mismatch"],
        ["history"],
        ["report", "small"],
        ["engines"],
        ["count", "--help"],
        ["show", "→Ω"],
        ["run", "--data", "list"],
        ["train", "--engine", "vector", "--data", "→Ω.txt", "--steps", "2", "--n-embd", "4", "--n-head", "1"],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_e25_output_that_lacks_characters(kept, arguments, charset):
    shutil.copytree("results/small", "results/other")
    pathlib.Path("→Ω.txt").write_text("→Ω\nΩ→→\n", encoding="utf-8")
    done = CliRunner(charset=charset).invoke(CommandLine(), arguments)
    assert done.exit_code == (2 if "→Ω" in arguments else 0), done.output
    shown = done.stdout_bytes.decode(charset) + done.stderr_bytes.decode(charset)  # nothing that is not in it
    assert charset == "utf-8" or "→" not in shown
    if arguments[0] == "report":
        assert not pathlib.Path("results/small/report.html").read_text(encoding="utf-8").isascii()


def test_e25_a_process_in_another_encoding(tmp_path, kept):
    for name, value in (("PYTHONIOENCODING", "latin-1"), ("PYTHONIOENCODING", "ascii:strict"), ("LC_ALL", "C")):
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PYTHONUTF8": "0",
            "PYTHONCOERCECLOCALE": "0",
            name: value,
        }
        done = subprocess.run(
            [sys.executable, "-m", "bench", "compare", "small", "small", "--allow-mismatch", "--format", "github"],
            env=environment,
            capture_output=True,
        )
        assert done.returncode == 2 and b"Traceback" not in done.stderr, done.stderr
        done = subprocess.run([sys.executable, "-m", "bench", "show", "small"], env=environment, capture_output=True)
        assert done.returncode == 0 and b"Traceback" not in done.stderr, done.stderr


# --------------------------------------------------------------------- E29: JITs of others

FAKES = {
    "pyston_lite": ("pyston_lite.py", "__version__ = '2.3.5'", "import pyston_lite", "pyston_lite 2.3.5", "+pyston_lite"),
    "autoload": ("pyston_lite_autoload.py", "", "import pyston_lite_autoload", "pyston_lite", "+pyston_lite"),
    "cinderx": ("cinderjit.py", "is_enabled = lambda: True", "import cinderjit", "cinderx on", "+cinderx"),
    "cinderx off": ("cinderjit.py", "is_enabled = lambda: False", "import cinderjit", "cinderx off", ""),
    "cinderx idle": (
        "cinderjit.py", "is_enabled = lambda: True\nget_compile_after_n_calls = lambda: None", "import cinderjit",
        "cinderx on request", "",
    ),
    "odd": ("pyjion.py", "def is_enabled(): raise OSError('no')", "import pyjion", "pyjion", "+pyjion"),
    "not loaded": ("pyston_lite.py", "", "", "", ""),
}  # fmt: skip


@pytest.mark.parametrize("kind", FAKES)
def test_e29_the_jit_that_is_loaded_is_named(tmp_path, kind):
    file, text, startup, said, suffix = FAKES[kind]
    python = virtual_environment(tmp_path / "with-jit", startup=f"{startup}\n", modules={file: text})
    runtime = interpreters.resolve(str(python), {})
    assert runtime.described["other_jits"] == said
    assert runtime.name == interpreters.resolve(sys.executable, {}).name + suffix
    line = wording.runtime_line(RuntimeRecord("", {}, runtime.described))
    assert f"JIT {said or runtime.described['jit']}, " in line
    earlier = {name: value for name, value in runtime.described.items() if name != "other_jits"}
    assert f"JIT {runtime.described['jit']}, " in wording.runtime_line(RuntimeRecord("", {}, earlier))


@pytest.mark.slow
def test_e29_a_run_with_such_a_jit(tmp_path, bench_command, documents):
    python = virtual_environment(
        tmp_path / "with-jit", startup="import pyston_lite", modules={"pyston_lite.py": "__version__ = '2.3.5'"}
    )
    done = bench_command(
        "run", "--python", python, "--data", documents, *SMALL, "--steps", 1, "--rounds", 1, "--engine", "reference"
    )
    assert done.exit_code == 0, done.output
    assert "JIT pyston_lite 2.3.5" in done.stdout and "+pyston_lite" in done.stdout


# --------------------------------------------------------------------- E24: what the machine does not tell


def fails(error):
    def ask(*_, **__):
        raise error

    return ask


ERRORS = [FileNotFoundError(2, "no such file", "/sys/class/power_supply"), PermissionError(13, "not permitted"),
          NotImplementedError("not here"), RuntimeError("no"), ValueError("could not convert"),
          psutil.AccessDenied(1)]  # fmt: skip


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_e24_a_machine_that_tells_nothing(monkeypatch, small_run, error):
    """Not of its battery, load, memory, name, processor, installation or home."""
    for name in ("sensors_battery", "getloadavg", "virtual_memory", "cpu_percent", "cpu_count", "pid_exists",
                 "process_iter", "Process", "users", "boot_time"):  # fmt: skip
        monkeypatch.setattr(psutil, name, fails(error), raising=False)
    for target, name in ((machine.uuid, "getnode"), (machine.CPUS.__class__, "glob")):
        if target is machine.uuid or isinstance(error, OSError):
            monkeypatch.setattr(target, name, fails(error))
    monkeypatch.setattr(machine, "MACHINE_IDS", [])
    monkeypatch.setattr(machine.pathlib.Path, "home", fails(RuntimeError("Could not determine home directory.")))
    assert machine.warnings() == []
    assert machine.describe()["cores"] >= 1
    monkeypatch.setattr(machine.CPUS.__class__, "glob", GLOB)
    done = small_run("--engine", "reference")
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("mode", ["unreadable", "a folder", "bytes", "nonsense"])
def test_e24_a_governor_that_cannot_be_read(monkeypatch, tmp_path, mode):
    monkeypatch.setattr(machine, "CPUS", tmp_path)
    for number in range(2):
        file = tmp_path / f"cpu{number}" / "cpufreq" / "scaling_governor"
        file.parent.mkdir(parents=True)
        if mode == "a folder" and number:
            file.mkdir()
        else:
            file.write_bytes(b"\xff\xfe" if mode == "bytes" and number else b"powersave\n")
    if mode == "unreadable":
        read = machine.pathlib.Path.read_text
        monkeypatch.setattr(
            machine.pathlib.Path,
            "read_text",
            lambda path, *how: fails(PermissionError(13, "no"))() if "cpu1" in str(path) else read(path, *how),
        )
    assert any("frequency scaling is on (powersave)" in line for line in machine.warnings())


@pytest.mark.slow
@pytest.mark.parametrize("home", [None, "", "/", "/nowhere/at/all", "/proc/1/task", "relative"])
def test_e24_no_home_folder(tmp_path, documents, home):
    environment = {name: value for name, value in os.environ.items() if name not in ("HOME", "PYENV_ROOT")}
    environment |= {} if home is None else {"HOME": home}
    done = subprocess.run(
        [sys.executable, "-m", "bench", "run", "--python", sys.executable, "--data", documents, *SMALL, "--steps", "1",
         "--rounds", "1", "--engine", "reference"],
        env={**environment, "PYTHONPATH": str(interpreters.ROOT)}, cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "~").exists()


def test_e24_no_home_folder_to_find_interpreters_in(monkeypatch):
    monkeypatch.setattr(search_path.pathlib.Path, "home", fails(RuntimeError("Could not determine home directory.")))
    assert search_path.extended_path({"PATH": "/somewhere"}) == "/somewhere"
    monkeypatch.setattr(interpreters, "get_interpreter", fails(PermissionError(13, "not permitted")))
    assert interpreters.find("3.14") is None


@pytest.mark.parametrize("cache", ["~/.cache/microgpt-bench", "/proc/1/no-such-cache", "/dev/null/cache"])
def test_e24_no_cache_folder(monkeypatch, tmp_path, cache):
    monkeypatch.setattr(datasets.pooch, "os_cache", lambda _: cache)
    asked = []
    monkeypatch.setattr(
        datasets.pooch, "retrieve", lambda *_, path, **__: asked.append(path) or tmp_path / "documents.txt"
    )
    datasets.locate("names")
    assert asked == [pathlib.Path(tempfile.gettempdir()) / "microgpt-bench-names"]


# --------------------------------------------------------------------- E30: whose calibration it is, and how busy


@pytest.fixture
def calibrated(tmp_path):
    """Put a calibration of some machine into the results folder, under some name."""
    known = next((interpreters.ROOT / "results" / "calibration").glob("*.json"))

    def put(name, **about):
        text = json.loads(known.read_text())
        folder = tmp_path / "results" / "calibration"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps({**text, "machine": {**machine.describe(), **about}}))
        return calibration.note(tmp_path / "results")

    return put


def test_e30_whose_calibration_it_is(calibrated, tmp_path):
    here = machine.describe()
    assert calibration.note(tmp_path / "results") == []
    assert calibrated("a", identity="of another one", cpu="another processor") == []
    (line,) = calibrated("b", identity="of another one")
    assert line.startswith(f"another machine of {here['cores']} such processors ({here['cpu']}) can see a slowdown of")
    (line,) = calibrated(here["identity"], identity="of another one")  # a copied file's name proves nothing
    assert line.startswith("another machine")
    (line,) = calibrated("c")
    assert line.startswith("this machine can see a slowdown of")


def test_e30_a_damaged_calibration_does_not_end_a_run(tmp_path, small_run):
    folder = tmp_path / "results" / "calibration"
    folder.mkdir(parents=True)
    (folder / f"{machine.describe()['identity']}.json").write_text("{")
    done = small_run("--engine", "reference")
    assert done.exit_code == 0 and "what this machine can see is not known" in done.stdout


def test_e30_machines_of_one_kind_and_one_name_are_told_apart(monkeypatch, tmp_path):
    here = machine.describe()["identity"]
    (tmp_path / "machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    monkeypatch.setattr(machine, "MACHINE_IDS", [tmp_path / "missing", tmp_path / "machine-id"])
    there = machine.describe()
    assert here != there["identity"]
    assert not any("0123456789abcdef" in str(value) or platform.node() in str(value) for value in there.values())
    monkeypatch.setattr(machine, "MACHINE_IDS", [])
    monkeypatch.setattr(machine.uuid, "getnode", lambda: 0x0242AC110002)
    one = machine.describe()["identity"]
    monkeypatch.setattr(machine.uuid, "getnode", lambda: 0x0242AC110003)
    assert machine.describe()["identity"] not in (one, here, there["identity"])
    monkeypatch.setattr(machine.uuid, "getnode", lambda: 0x0342AC110003)  # made up at random
    two = machine.describe()["identity"]
    monkeypatch.setattr(machine.uuid, "getnode", lambda: 0x0342AC110004)
    assert machine.describe()["identity"] == two


@pytest.mark.parametrize(
    "cores, load, now, busy",
    [
        (2, 0.5, 100, False), (2, 1.0, 100, False), (2, 1.2, 100, True), (2, 1.9, 10, False), (1, 0.4, 100, False),
        (1, 0.8, 90, True), (8, 3.9, 100, False), (8, 5.0, 70, True), (8, 7.0, 20, False), (64, 20.0, 100, False),
    ],
)  # fmt: skip
def test_e30_busy_is_more_than_half_of_the_cores(monkeypatch, cores, load, now, busy):
    monkeypatch.setattr(machine.os, "cpu_count", lambda: cores)
    monkeypatch.setattr(psutil, "getloadavg", lambda: (load, 0, 0))
    monkeypatch.setattr(psutil, "cpu_percent", lambda seconds: now)
    assert any("busy" in line for line in machine.warnings()) is busy
