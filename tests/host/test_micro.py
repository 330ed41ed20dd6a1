"""The micro-benchmarks run, prove parity and are grouped, under pytest-benchmark."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
pytest.importorskip("pytest_benchmark", reason="needs pytest-benchmark, as nox -s micro installs it")


def test_every_part_of_two_engines(tmp_path):
    path = tmp_path / "micro.json"
    # inside a worker of pytest-xdist pytest-benchmark turns itself off
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "bench/micro", f"--benchmark-json={path}",
         "-k", "tape or fused_dot"],
        cwd=ROOT, capture_output=True, text=True, timeout=300, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(path.read_text())["benchmarks"]
    assert {(one["group"], one["extra_info"]["engine"]) for one in found} == {
        (group, engine) for group in ("forward", "backward", "adam", "generate") for engine in ("tape", "fused_dot")
    }
    digests = {one["extra_info"]["engine"]: one["extra_info"]["losses_sha256"] for one in found}
    assert all(len(digest) == 64 for digest in digests.values())
    assert all(
        one["extra_info"]["parity"] == "bit-identical" for one in found if one["extra_info"]["engine"] == "fused_dot"
    )
