"""The small runs of tests/host serve here too."""

import os
import pathlib
import shutil
import sys

import pytest
from click.testing import CliRunner

from tests.host.conftest import SMALL, CommandLine, _plain_world, bench_command, documents, small_run
from tests.host.test_check import check, project

__all__ = ["_plain_world", "bench_command", "check", "documents", "kept", "kept_once", "project", "small_run"]


@pytest.fixture(scope="session")
def kept_once(tmp_path_factory):
    """A results folder with one good run, ``small``, made once: three engines, two rounds of three steps."""
    folder, before = tmp_path_factory.mktemp("kept"), pathlib.Path.cwd()
    (folder / "documents.txt").write_text("ab\na\ncabbage\nbead\ndecade\nb\n")
    arguments = ["--engine", "vector", "--engine", "fused_dot", "--data", str(folder / "documents.txt"), *SMALL]
    os.chdir(folder)
    try:
        run = ["run", "--python", sys.executable, *arguments, "--steps", "3", "--rounds", "2", "--name", "small"]
        done = CliRunner().invoke(CommandLine(), run)
    finally:
        os.chdir(before)
    assert done.exit_code == 0, done.output
    return folder / "results"


@pytest.fixture
def kept(kept_once):
    """A copy of it in the test's own folder, as results/small."""
    shutil.copytree(kept_once, "results")
    return pathlib.Path("results/small")
