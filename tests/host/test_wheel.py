"""Without a checkout: the wheel, built from the sources as they are, in an empty folder of somebody who has nothing else."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import zipfile

import pytest

from bench.host.system import errors, interpreters
from tests.host.conftest import SMALL

tomllib = pytest.importorskip("tomllib")
ROOT = pathlib.Path(__file__).resolve().parents[2]
OF_A_CHECKOUT = r"nox|pip install -e|results/default|setup\.py|\S*site-packages\S*"  # what nobody has beside a wheel


def test_the_packages_of_the_extra_are_those_that_messages_name():
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["report"]
    assert errors.REPORT.split() == [re.split(r"[<>=]", requirement)[0] for requirement in extra]


def test_the_container_has_the_interpreters_of_the_default_matrix():
    (command,) = re.findall(r"sed .*(?= > /wheel/versions)", (ROOT / "Dockerfile").read_text())
    done = subprocess.run(command, shell=True, cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.split() == interpreters.default_versions()


def build(folder, **environment):
    """The wheel's path."""
    pytest.importorskip("hatchling")
    pytest.importorskip("setuptools")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def installed(wheel, folder):
    """A command line of the wheel's files in an empty folder, the tests' environment having what they need."""
    site = folder / "site-packages"
    with zipfile.ZipFile(wheel) as files:
        files.extractall(site)
    assert (site / "bench" / "host" / "pages" / "claims.toml").is_file()  # what `claims` compares with runs
    home = folder / "empty"
    home.mkdir()

    def run(*arguments):
        environment = {**os.environ, "PYTHONPATH": str(site), "GIT_CEILING_DIRECTORIES": str(folder)}
        command = [sys.executable, "-m", "microgpt_bench", *map(str, arguments)]
        done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, timeout=300)
        found = re.search(OF_A_CHECKOUT, done.stdout + done.stderr)
        assert not found, f"{arguments} names {found[0]}"
        return done

    return run


def native_is(run):
    """What `engines` says of native."""
    done = run("engines")
    assert done.returncode == 0, done.stderr
    return next(line for line in done.stdout.splitlines() if line.startswith("native "))


@pytest.mark.slow  # a wheel with its C extension is built, and a run measured
def test_a_wheel_brings_native_and_runs_in_an_empty_folder(tmp_path):
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    wheel = build(tmp_path / "wheel")
    if "t" not in sys.abiflags:
        assert re.fullmatch(r"microgpt_bench-[\d.]+-cp310-abi3-\w+\.whl", wheel.name)
    run = installed(wheel, tmp_path)
    assert native_is(run).endswith(" yes")
    done = run("run", "--engine", "native", "--python", sys.executable, "--steps", 2, "--rounds", 1, *SMALL)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^native .* bit-identical$", done.stdout, re.M), done.stdout
    for arguments, what_to_do in [
        (("check",), "no committed run to compare with: give --baseline RUN"),
        (("check", "--against", "HEAD"), "name engine files of a git repository"),
        (("report", "none"), "none"),
    ]:
        done = run(*arguments)
        assert done.returncode == 2 and what_to_do in done.stderr and done.stderr.count("\n") == 1, done.stderr


@pytest.mark.slow
def test_a_wheel_built_without_a_compiler_says_what_native_needs(tmp_path):
    wheel = build(tmp_path / "wheel", CC="false")
    assert wheel.name.endswith("-py3-none-any.whl")
    run = installed(wheel, tmp_path)
    assert "not built" in native_is(run) and "compiler" in native_is(run)
    done = run("train", "--engine", "native", "--steps", 1)
    assert done.returncode == 2 and "not built" in done.stderr
