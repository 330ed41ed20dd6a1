"""Pyodide under Node as a runtime of the benchmark: `--python pyodide`."""

import subprocess

import pytest

from bench.host.system import interpreters
from bench.host.system.errors import UsageError
from tests.web.conftest import WEB


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
