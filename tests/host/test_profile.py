"""Profiles, and the page of the engines that is made of them."""

import json
import pathlib
import re
import shutil
import sys

import pytest

from bench.host.measure import profiler
from bench.host.stats.flops import step_flops
from bench.host.system import interpreters
from bench.workload.config import Config
from tests.host.conftest import SMALL, engine_file

PY_SPY = shutil.which("py-spy") or pathlib.Path(sys.executable).with_name("py-spy").exists()
needs_py_spy = pytest.mark.skipif(not PY_SPY, reason="py-spy is not installed")


def test_flops_of_a_step_by_hand():
    """One layer of width 1, one head, one position, a vocabulary of 2: 12 + 2 products, 2 of attention, 17 weights."""
    config = Config(n_layer=1, n_embd=1, n_head=1, block_size=1)
    assert step_flops(config, 1, 2) == 6 * (14 + 2) + 13 * 17


@needs_py_spy
def test_profile_and_explain(bench_command, small_run, documents):
    assert small_run("--engine", "fused_dot").exit_code == 0
    done = bench_command("explain", "small", "--seconds", "1s")
    assert done.exit_code == 0, done.output
    text = pathlib.Path("results/engines.md").read_text()
    assert "## fused_dot" in text and "own time on" in text and "fused_dot over reference" in text
    short = bench_command("explain", "small", "--seconds", "0.2s", "--long", "small")
    assert short.exit_code == 2 and "measure with --from-start" in short.stderr
    assert (
        small_run("--from-start", "--engine", "fused_dot", "--steps", "60", "--rounds", "2", "--name", "long").exit_code
        == 0
    )
    done = bench_command("explain", "small", "--seconds", "0.2s", "--long", "long")
    assert done.exit_code == 0, done.output
    text = pathlib.Path("results/engines.md").read_text()
    assert re.search(r"\| +1–10 \| +11–50 \| +51–60 \| +all \|", text) and "As training goes on" in text
    assert "`microgpt-bench explain small --long long`" in text
    done = bench_command("profile", "fused_dot", "--python", sys.executable, "--data", documents, *SMALL[:6],
        "--seconds", "1s", "--output", "flame.svg")  # fmt: skip
    assert done.exit_code == 0, done.output
    graph = pathlib.Path("flame.svg").read_text()
    assert "backward" in done.stdout and "<svg" in graph
    assert re.search(r'<text id="title"[^>]*>fused_dot on cpython-', graph) and "truncate_text_right = true" in graph
    done = bench_command("profile", "fused_dot", "--python", sys.executable, "--output", "flame.html")
    assert done.exit_code == 2 and "ends in .svg" in done.stderr


def test_the_interpreters_own_profiler(bench_command, documents, tmp_path):
    common = ["fused_dot", "--data", documents, *SMALL[:6], "--seconds", "1s", "--profiler", "own"]
    done = bench_command("profile", *common, "--python", "3.11")
    assert done.exit_code == 2 and "has no built-in profiler" in done.stderr
    newest = interpreters.newest()
    if int(newest.partition(".")[2]) < 15:
        pytest.skip("needs CPython 3.15 or newer")
    mine = engine_file(tmp_path, "mine", "ENGINE = replace()\n")
    done = bench_command("profile", mine, *common[1:], "--python", newest, "--format", "json")
    assert done.exit_code == 0, done.output
    shares = dict(json.loads(done.stdout))
    assert any("backward" in name for name in shares) and sum(shares.values()) == pytest.approx(1)
    assert "backward" in pathlib.Path("mine.html").read_text()


def test_without_py_spy(bench_command, monkeypatch, documents):
    monkeypatch.setattr(profiler.shutil, "which", lambda _: None)
    monkeypatch.setattr(profiler.sys, "executable", "/nowhere/python")
    done = bench_command("profile", "tape", "--python", "3.11", "--data", documents)
    assert done.exit_code == 2 and "pip install py-spy" in done.stderr
