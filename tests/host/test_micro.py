"""The micro-benchmarks run, prove parity and are grouped, under pytest-benchmark."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
pytest.importorskip("pytest_benchmark", reason="needs pytest-benchmark, as nox -s micro installs it")


def run(path, *arguments, **environment):
    # inside a worker of pytest-xdist pytest-benchmark turns itself off
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "bench/micro", f"--benchmark-json={path}",
         "--benchmark-max-time=0.05", "--benchmark-min-rounds=1", *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=600, env={**inherited, **environment},
    )  # fmt: skip


def test_every_part_of_two_engines(tmp_path):
    path = tmp_path / "micro.json"
    done = run(path, "-k", "tape or fused_dot")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(path.read_text())["benchmarks"]
    assert {(one["group"], one["extra_info"]["engine"]) for one in found} == {
        (group, engine)
        for group in ("forward", "backward", "adam", "release", "step", "generate")
        for engine in ("tape", "fused_dot")
    }
    digests = {one["extra_info"]["engine"]: one["extra_info"]["losses_sha256"] for one in found}
    assert all(len(digest) == 64 for digest in digests.values())
    assert all(
        one["extra_info"]["parity"] == "bit-identical" for one in found if one["extra_info"]["engine"] == "fused_dot"
    )


def test_a_diverged_engine_is_not_timed(tmp_path):
    """With the losses that it sees spoilt, every part of the engine fails and none has a time."""
    plugin = tmp_path / "spoiler.py"
    plugin.write_text(
        "import pytest\n"
        "@pytest.fixture(autouse=True)\n"
        "def spoilt(monkeypatch):\n"
        "    from bench.micro import test_micro\n"
        "    true = test_micro.losses\n"
        "    wrong = lambda name: tuple(loss * (1 + (name == 'tape') * 1e-9) for loss in true(name))\n"
        "    monkeypatch.setattr(test_micro, 'losses', wrong)\n"
    )
    path = tmp_path / "micro.json"
    done = run(path, "-p", "spoiler", "-k", "tape or fused_dot", PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert "tape is not timed: it promises losses that are rounding, and they are DIVERGED" in done.stdout
    assert {one["extra_info"]["engine"] for one in json.loads(path.read_text())["benchmarks"]} == {"fused_dot"}
