"""Sessions: `nox -s bench` measures, `nox -s tests` tests. `nox -l` lists them all."""

from __future__ import annotations

import os
import pathlib
import sys

import nox

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from bench.host.interpreters import extended_path

nox.needs_version = ">=2026.4"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.download_python = "never"  # --download-python auto on the command line overrides it
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["lint", "typing", "tests"]

# interpreters of pyenv are found whether or not they are active
os.environ["PATH"] = extended_path()

PROJECT = nox.project.load_toml("pyproject.toml")
VERSIONS = nox.project.python_versions(PROJECT)
HOST = None if sys.version_info >= (3, 11) else VERSIONS[1:]  # the host side needs 3.11: nox's own where it will do


def install_host(session: nox.Session, *groups: str) -> None:
    """The project itself, and dependency groups."""
    session.install("-e", ".", *(word for group in groups for word in ("--group", group)))


@nox.session(python=HOST)
def bench(session: nox.Session) -> None:
    """Measure every engine on every CPython found and print the tables. Arguments go to `microgpt-bench run`."""
    install_host(session)
    session.run("microgpt-bench", "run", *session.posargs)


@nox.session(python=HOST)
def compare(session: nox.Session) -> None:
    """Compare two runs. Arguments go to `microgpt-bench compare`."""
    install_host(session)
    session.run("microgpt-bench", "compare", *session.posargs)


@nox.session(python=HOST)
def tests(session: nox.Session) -> None:
    """Test the host side and everything end to end, then the workload side on every interpreter found."""
    install_host(session, "tests")
    session.run("pytest", "tests", *session.posargs)


@nox.session(python=[*VERSIONS, "3.9", "pypy3.11"])
def workload(session: nox.Session) -> None:
    """Test the workload side on each interpreter, with nothing of ours installed into it."""
    session.install("--group", "workload-tests")
    session.run("python", "-m", "pytest", "tests/workload", *session.posargs)


@nox.session(python=HOST)
def lint(session: nox.Session) -> None:
    """Check style and formatting."""
    session.install("--group", "lint")
    session.run("ruff", "check", *session.posargs)
    session.run("ruff", "format", "--check")


@nox.session(python=HOST)
def typing(session: nox.Session) -> None:
    """Check types."""
    install_host(session, "typing")
    session.run("mypy", *session.posargs)
