"""The ecosystem's formats: pyperf's on a run's timings, pyperformance with our manifest."""

import json
import pathlib
import shutil
import subprocess
import sys

import pyperf
import pytest

import engines

ROOT = pathlib.Path(__file__).resolve().parents[2]
PYPERFORMANCE = ROOT / "pyperformance"
BENCHMARK = PYPERFORMANCE / "bm_microgpt" / "run_benchmark.py"
QUICK = ["--debug-single-value", "--copy-env"]


def run(*command, **how):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=900, **how)


def timings(runtime):
    return ROOT / "results" / "default" / "timings" / f"{runtime}.json"


def test_pyperf_compares_two_runtimes_timings():
    done = run(
        sys.executable, "-m", "pyperf", "compare_to", timings("cpython-3.10"), timings("cpython-3.12"), "--table"
    )
    assert done.returncode == 0, done.stderr
    assert "| Benchmark" in done.stdout and "Geometric mean" in done.stdout
    rows = {line.split("|")[1].strip(): line for line in done.stdout.splitlines() if line.startswith("| ")}
    assert "ms" in rows["fused_dot"] and ("faster" in rows["fused_dot"] or "slower" in rows["fused_dot"])


@pytest.mark.parametrize("command", ["show", "stats", "check", "hist", "metadata"])
def test_pyperfs_other_commands_read_timings(command):
    done = run(sys.executable, "-m", "pyperf", command, timings("cpython-3.12"))
    assert done.returncode == 0, done.stderr
    assert "reference" in done.stdout or command == "metadata"


def test_the_manifest_has_every_engine_that_needs_no_package(monkeypatch):
    monkeypatch.syspath_prepend(PYPERFORMANCE)
    import manifest

    done = run(sys.executable, PYPERFORMANCE / "manifest.py", "--check")
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr
    text = manifest.files()[PYPERFORMANCE / "MANIFEST"]
    listed = {line.split("\t")[0] for line in text.splitlines() if "\t<local" in line}
    assert listed == {
        manifest.benchmark(name) for name in engines.NAMES if name not in ("numpy", "numba", "jax", "torch")
    }
    assert "microgpt_native" in listed and "microgpt_native" not in text.partition("[group pure_python]")[2]
    monkeypatch.setattr(engines, "NAMES", [name for name in engines.NAMES if name != "tape"])
    assert [path.name for path in manifest.stale()] == ["MANIFEST", "bm_microgpt_tape.toml"]


def test_a_value_comes_with_its_proof(tmp_path):
    path = tmp_path / "values.json"
    done = run(sys.executable, BENCHMARK, "--engine", "fused_dot", "--output", path, *QUICK)
    assert done.returncode == 0, done.stderr
    benchmark = pyperf.BenchmarkSuite.load(str(path)).get_benchmark("microgpt_fused_dot")
    assert benchmark.get_nvalue() == 1
    found = benchmark.get_metadata()
    assert found["microgpt_parity"] == "losses bit-identical" and len(found["microgpt_losses_sha256"]) == 64


def test_an_engine_whose_losses_differ_has_no_value(tmp_path):
    mine = tmp_path / "mine.py"
    mine.write_text(
        "import dataclasses\nfrom engines import load\nBASE = load('fused_dot')\n"
        "def mean(losses):\n    return BASE.mean(losses) * 1.001\n"
        "ENGINE = dataclasses.replace(BASE, name='mine', parent='fused_dot', mean=mean)\n"
    )
    path = tmp_path / "values.json"
    done = run(sys.executable, BENCHMARK, "--engine", mine, "--output", path, *QUICK)
    assert done.returncode != 0 and "DIVERGED" in done.stderr + done.stdout and not path.exists()


@pytest.mark.slow
def test_pyperformance_runs_the_manifest(tmp_path):
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("needs uv to make an environment for pyperformance")
    python = tmp_path / "env" / "bin" / "python"
    made = run(uv, "venv", "-q", "--seed", "-p", sys.executable, python.parent.parent)
    made = (
        made if made.returncode else run(uv, "pip", "install", "-q", "-p", python, "pyperformance>=1.14", "setuptools")
    )
    if made.returncode:
        pytest.skip(f"pyperformance cannot be installed here: {made.stderr.strip().splitlines()[-1]}")
    output = tmp_path / "values.json"
    done = run(python, "-m", "pyperformance", "run", "--manifest", PYPERFORMANCE / "MANIFEST", "--benchmarks",
        "microgpt,microgpt_combined", "--debug-single-value", "--output", output, cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert json.loads(output.read_text())["benchmarks"]
    names = pyperf.BenchmarkSuite.load(str(output)).get_benchmark_names()
    assert sorted(names) == ["microgpt", "microgpt_combined"]
