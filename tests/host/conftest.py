"""A run small enough for tests, on the interpreter that runs them."""

import os
import sys

import pytest
from click.testing import CliRunner

from bench.cli import main

SMALL = ["--n-embd", "8", "--n-head", "2", "--block-size", "6", "--min-time", "0.001"]


@pytest.fixture(autouse=True)
def _plain_world(tmp_path, monkeypatch):
    """Every test has an empty folder of its own to work in, and a workflow that it runs in is not told of its gates."""
    monkeypatch.chdir(tmp_path)
    for name in ("GITHUB_ACTIONS", "GITHUB_BASE_REF", "GITHUB_EVENT_NAME", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def documents(tmp_path):
    """A small dataset's path."""
    path = tmp_path / "documents.txt"
    path.write_text("ab\na\ncabbage\nbead\ndecade\nb\n")
    return str(path)


@pytest.fixture
def bench_command():
    """Run the command line in this process: status, standard output, standard error."""

    def run(*arguments):
        return CliRunner().invoke(CommandLine(), [str(argument) for argument in arguments])

    return run


class CommandLine:
    """bench.cli.main as the console script runs it, for click's runner."""

    name = "microgpt-bench"

    def main(self, args, prog_name, **_):
        old, sys.argv = sys.argv, [prog_name, *args]
        try:
            main.main()
        finally:
            sys.argv = old


@pytest.fixture
def small_run(bench_command, documents):
    """A finished run of the reference and the engines given, two rounds of three steps, called ``small`` unless named."""
    options = ["--python", sys.executable, "--data", documents, *SMALL, "--steps", 3, "--rounds", 2, "--name", "small"]
    return lambda *extra: bench_command("run", *options, *extra)


def engine_file(tmp_path, name, text):
    """A user's own engine: ``text`` may use everything of engines/fused_dot.py, and ``replace`` for its literal."""
    path = tmp_path / f"{name}.py"
    head = (
        "import dataclasses, os, sys, time\nfrom engines import load\n"
        "BASE = load('fused_dot')\n"
        "def replace(**changes):\n    return dataclasses.replace(BASE, name="
        + repr(name)
        + ", parent='fused_dot', **changes)\n"
    )
    path.write_text(head + text)
    return str(path)


os.environ.setdefault("COLUMNS", "200")
