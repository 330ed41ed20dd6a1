"""Engine files compiled as they are: rows of their own, proven like any other; missing and failing compilers in a line."""

import importlib.util
import sys

import pytest

import bench
from bench.host.measure import compilers, engine_files
from engines import EngineError
from tests.conftest import ROOT
from tests.host.conftest import SMALL

SHORT = ["--steps", 2, "--rounds", 1, "--from-start", "--name", "built"]


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def launcher(tmp_path, module):
    """A Python that has a package of this name, whose program ends with an error as mypyc's did."""
    package = tmp_path / "packages" / module
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(
        "print('own.py:84: error: INTERNAL ERROR, please report')\nraise SystemExit(2)\n"
    )
    about = tmp_path / "packages" / "mypy-9.9.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: mypy\nVersion: 9.9\n")
    script = tmp_path / "python-with-it"
    script.write_text(f'#!/bin/sh\nPYTHONPATH="{tmp_path}/packages:$PYTHONPATH" exec {sys.executable} "$@"\n')
    script.chmod(0o755)
    return str(script)


def own_engine(tmp_path):
    """The file of an engine that is the reference's, and says one op again."""
    (tmp_path / "own.py").write_text(
        "from engines.reference import ENGINE as BASE\n\n\ndef relu(x):\n    return [xi.relu() for xi in x]\n\n\n"
        "ENGINE = BASE.variant('own', 'says relu again', relu=relu)\n"
    )
    return "own.py"


@pytest.mark.parametrize("compiler", ["mypyc", pytest.param("nuitka", marks=pytest.mark.slow)])
def test_an_engine_as_this_compiler_makes_it_keeps_the_bits(compiler, bench_command, documents, tmp_path):
    if importlib.util.find_spec(compiler) is None:
        pytest.skip(f"{compiler} is not here: nox -s tests installs it")
    options = ["--engine", own_engine(tmp_path), "--compile", compiler, "--python", sys.executable]
    done = bench_command("run", *options, "--data", documents, *SMALL, *SHORT)
    assert done.exit_code == 0, done.output
    run = bench.load_run("results/built")
    (runtime,) = run.record.runtimes
    assert run.finding((f"own+{compiler}", runtime)).parity.value == "bit-identical"
    assert any(f"own+{compiler} was compiled beforehand: " in note for note in run.record.notes)


@pytest.mark.skipif(sys.platform == "win32", reason="starts a shell's script")
def test_a_compiled_file_is_a_row_of_its_own_and_a_compiler_that_stops_fails_its_own_cell(
    bench_command, documents, tmp_path
):
    pytest.importorskip("Cython")
    options = [
        "--engine",
        own_engine(tmp_path),
        "--compile",
        "cython",
        "--compile",
        "mypyc",
        "--python",
        f"a={launcher(tmp_path, 'mypyc')}",
    ]
    done = bench_command("run", *options, "--data", documents, *SMALL, *SHORT)
    assert done.exit_code == 1, done.stderr
    run = bench.load_run("results/built")
    assert list(run.record.engines) == ["reference", "own", "own+cython", "own+mypyc"]
    assert run.status(("own+cython", "a")) == ("ok", "")
    assert run.finding(("own+cython", "a")).parity.value == "bit-identical"
    status, why = run.status(("own+mypyc", "a"))
    assert status == "failed" and "mypyc 9.9 stopped: own.py:84: error: INTERNAL ERROR" in why
    assert any("own+cython was compiled beforehand: " in note and "on a" in note for note in run.record.notes)
    kept = list((tmp_path / "cache" / "microgpt-bench" / "compiled").iterdir())
    assert len(kept) == 1
    before = kept[0].stat().st_mtime_ns
    # a run that is gone on with takes what was kept
    again = bench_command("run", "--resume", "results/built")
    assert again.exit_code == 1 and kept[0].stat().st_mtime_ns == before


@pytest.mark.skipif(sys.platform == "win32", reason="starts a shell's script")
def test_where_the_compiler_is_missing_its_cell_is_skipped(bench_command, documents, tmp_path):
    script = tmp_path / "python-alone"  # without what is installed
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    script.chmod(0o755)
    done = bench_command("run", "--engine", "reference+nuitka", "--python", script, "--data", documents, *SMALL, *SHORT)
    assert done.exit_code == 0
    assert "nuitka is missing: run `python -m pip install nuitka` with this interpreter" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--engine", "reference+gcc"], "no engine 'reference+gcc'"),
        (["run", "--engine", "+cython"], "no engine '+cython'"),
        (["run", "--engine", "missing.py+cython"], "no engine file missing.py"),
        (["run", "--compile", "gcc"], "'gcc' is not one of"),
        (
            ["check", "--engine", "reference+cython"],
            "check measures engine files as they are: leave reference+cython out",
        ),
        (["calibrate", "--engine", "reference+cython"], "calibrate measures engine files as they are"),
        (["profile", "reference+cython"], "no engine 'reference+cython'"),
    ],
)
def test_bad_input_is_refused_in_a_line(bench_command, arguments, words):
    python = ["--python", sys.executable] if arguments[0] != "profile" else []
    done = bench_command(*arguments, *python)
    assert done.exit_code == 2 and words in done.stderr and done.stderr.count("\n") == 1


def test_names():
    assert compilers.split("a/b.py+cython") == ("a/b.py", "cython")
    assert compilers.split("a+cython.py") == ("a+cython.py", "")
    assert list(engine_files.rows(["reference+nuitka", "reference"])) == ["reference+nuitka", "reference"]


def test_two_rows_of_one_name(tmp_path):
    for name in ("a.py", "a+cython.py"):
        (tmp_path / name).write_text("")
    with pytest.raises(EngineError, match=r"two engines would be called a\+cython: rename a file"):
        engine_files.rows(["a+cython.py", "a.py+cython"])


@pytest.mark.slow
def test_the_example_with_c_types_keeps_the_bits(bench_command, documents):
    pytest.importorskip("Cython")
    example = str(ROOT / "examples" / "typed.py")
    options = ["--engine", example, "--compile", "cython", "--python", sys.executable]
    done = bench_command("run", *options, "--data", documents, *SMALL, *SHORT)
    assert done.exit_code == 0, done.output
    (runtime,) = bench.load_run("results/built").record.runtimes
    for row in ("typed", "typed+cython"):
        assert bench.load_run("results/built").finding((row, runtime)).parity.value == "bit-identical"
