"""The page on where weights lie in memory: what it is made of."""

import json
import pathlib
import platform
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "where_weights_lie.md"


@pytest.mark.skipif(platform.python_implementation() != "CPython", reason="an id is no address elsewhere")
def test_passes_keep_the_weights_together():
    lines = {}
    for engine in ("reference", "grouped_adam"):
        command = [sys.executable, str(ROOT / "docs" / "weights_in_memory.py"), "look", engine, "3"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        first, *_, last = json.loads(done.stdout)
        assert (first["step"], last["step"], first["share"]) == (0, 3, 0)
        assert 0.2 < last["beside"] < 0.9, "a new process builds much of its graph in order"
        lines[engine] = last["lines"] / first["lines"]
    assert lines["grouped_adam"] < 1.3 < 1.5 < lines["reference"]


def test_the_page_was_made_by_its_command():
    text = PAGE.read_text(encoding="utf-8")
    assert "nox -s weights -- " in text and "| grouped_adam" in text and "million misses" in text
