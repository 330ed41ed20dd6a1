"""Pyodide under Node as a runtime of the benchmark: `--python pyodide`."""

import subprocess
import sys

import pytest

from bench.host.system import interpreters
from bench.host.system.errors import UsageError
from tests.web.conftest import ROOT, WEB


def test_without_node_or_its_package_it_is_a_line(monkeypatch, tmp_path):
    monkeypatch.setattr(interpreters.shutil, "which", lambda name: None)
    with pytest.raises(UsageError, match="needs Node"):
        interpreters.resolve("pyodide", {})


@pytest.mark.slow
def test_pyodide_is_found_by_name_and_honestly_described(npm, monkeypatch):
    monkeypatch.setattr(interpreters, "PROBE_SECONDS", 120)  # a busy machine compiles WebAssembly slowly
    runtime = interpreters.resolve("pyodide", {})
    assert runtime.name.startswith("pyodide-3.") and runtime.executable == str(WEB / "python.mjs")
    described = runtime.described
    assert described["machine"] == "wasm32" and described["optimization"] == "-O2" and not described["pgo"]
    code = "import sys; print(sys.argv, sys.stdin.readline())"
    done = subprocess.run([runtime.executable, "-B", "-c", code, "a"], input="line\n", capture_output=True, text=True)
    assert done.stdout.split() == ["['-c',", "'a']", "line"] and done.returncode == 0


@pytest.mark.slow
def test_it_is_measured_next_to_cpython_with_native_compiled_for_it(npm, wasm, tmp_path):
    engines = ["reference", "compiled", *(["native"] if wasm else [])]
    words = [word for engine in engines for word in ("--engine", engine)]
    command = [sys.executable, "-m", "bench", "run", "--python", sys.executable, "--python", "pyodide", *words]
    sizes = ["--steps", "2", "--rounds", "1", "--from-start", "--results", tmp_path, "--name", "here"]
    done = subprocess.run([*command, *sizes], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    table = done.stdout.partition("pyodide-3.")[2].partition("\n\n")[0]
    found = {line.split()[0]: line for line in table.splitlines() if line.split()[0] in engines}
    assert set(found) == set(engines) and all("bit-identical" in line for line in found.values())


def test_what_native_lacks_for_the_browser_is_a_line(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(ROOT / "native")
    import wasm

    monkeypatch.setattr(wasm, "PYODIDE", tmp_path / "nothing.zip")
    monkeypatch.setattr(wasm.importlib.util, "find_spec", lambda name: object())
    assert wasm.missing() == "no Pyodide to build for: npm ci --prefix web"
    monkeypatch.setattr(wasm, "PYODIDE", ROOT)
    monkeypatch.setattr(wasm.sysconfig, "get_path", lambda name: str(tmp_path))
    assert "no Python.h" in wasm.missing()
    monkeypatch.setattr(wasm.importlib.util, "find_spec", lambda name: None)
    assert wasm.missing() == "no compiler for WebAssembly: python -m pip install ziglang"
