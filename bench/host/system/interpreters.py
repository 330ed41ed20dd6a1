"""Finding the interpreters to measure: by version, by path, or the whole default matrix."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import Any

from python_discovery import PythonInfo, get_interpreter

from bench.host.system import facts, processes
from bench.host.system import switches as effects
from bench.host.system.errors import UsageError
from bench.host.system.search_path import extended_path
from bench.workload import runtime as workload_runtime

OLDEST = (3, 9)  # the workload side's oldest Python
# how variables begin that change what a Python or a JIT that is loaded into it does
SETTINGS = ("PYTHON", "VIRTUAL_ENV", "__PYVENV", "DISABLE_PYSTON", *workload_runtime.PREFIXES.values())
PROBE_SECONDS = 20
MOST_PRINTED = 2**20  # bytes, of what an interpreter prints beside its answer
PROBE = (
    "import json, os, sys; sys.path[0] = sys.argv[1]\n"
    "described = {'python': '.'.join(map(str, sys.version_info[:3]))}\n"
    "if sys.version_info[:2] >= (3, 9):\n"
    "    from bench.workload import runtime\n"
    "    described = runtime.describe()\n"
    "os.write(1, ('\\n' + sys.argv[2] + json.dumps(described) + '\\n').encode())"
)
MARK = "microgpt-bench describes: "  # the probe's answer; what else an interpreter prints at its start is not it
ROOT = pathlib.Path(__file__).resolve().parents[3]
CHECKOUT = (ROOT / "pyproject.toml").is_file()  # else an installed package, without committed runs and a history


@dataclasses.dataclass(frozen=True)
class Runtime:
    """An interpreter build plus its switches: one column of the tables."""

    name: str
    specification: str  # the --python value that finds it
    executable: str
    environment: dict[str, str]
    described: dict[str, Any]


def default_versions() -> list[str]:
    """The default matrix: the CPython versions among the project's classifiers, which are the only list of them."""
    classifiers = metadata.metadata("microgpt-bench").get_all("Classifier") or []
    matches = (re.fullmatch(r"Programming Language :: Python :: (\d+\.\d+)", line) for line in classifiers)
    return [match[1] for match in matches if match]


def find(specification: str) -> str | None:
    """The executable for a version such as ``3.12``, ``3.14t`` or ``pypy3.11``; None where there is none.

    The first on PATH, then of pyenv and uv.
    """
    return next(iter(_candidates(specification, first=True)), None)


def also_found(runtime: Runtime) -> str:
    """A line where a version has several builds here: which one was taken, and how to take another; "" for one alone."""
    wanted = runtime.specification.partition("=")[2] or runtime.specification
    if _is_path(wanted):
        return ""
    taken = os.path.realpath(runtime.executable)
    others = [path for path in _candidates(wanted) if os.path.realpath(path) != taken]
    if not others:
        return ""
    return (
        f"{runtime.name} is {runtime.executable}, the first that is found on PATH, then of pyenv and uv; also here:"
        f" {', '.join(others)}: choose with --python PATH"
    )


def _candidates(specification: str, first: bool = False) -> list[str]:
    """The executables for a version in the order in which they are looked for, or the ``first`` alone."""
    logging.getLogger("python_discovery").setLevel(logging.ERROR)  # what it passes over is not what was asked for
    key = f"cpython{specification}" if specification[0].isdigit() else specification
    free_threaded = specification.endswith("t")
    executables: dict[str, str] = {}  # by the file that it is in the end

    def take(info: PythonInfo) -> bool:
        if bool(info.free_threaded) is not free_threaded:
            return False
        # the base interpreter, not the virtual environment that the host may be running in
        executable = info.system_executable or info.executable
        if executable:
            executables.setdefault(os.path.realpath(executable), executable)
        return first

    with contextlib.suppress(OSError, RuntimeError):  # a folder that it may not read, a home that nobody has
        get_interpreter(key, env={**os.environ, "PATH": extended_path()}, predicate=take)
    return list(executables.values())


def worker_environment(switches: Mapping[str, str]) -> dict[str, str]:
    """The host's environment without what would change a Python's behaviour, plus the runtime's own switches."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(SETTINGS)}
    return {**kept, **switches}


def describe(executable: str, switches: Mapping[str, str]) -> dict[str, Any]:
    """Run the interpreter once and ask what it is. Raises UsageError if it does not run or is too old."""
    done = _probe(executable, worker_environment(switches))
    if (described := answer_in(done.stdout)) is None:
        raise UsageError(f"{executable} does not work as a Python interpreter: {_why(done)}")
    if list(described) == ["python"]:
        raise UsageError(
            f"{executable} is Python {described['python']}: the workload needs {'.'.join(map(str, OLDEST))} or newer"
        )
    try:
        timed = {"import_times": "import time:" in done.stderr, "launcher": _launcher(executable)}
        return facts.checked({**described, **timed})
    except ValueError as error:
        raise UsageError(f"{executable} does not answer as a Python interpreter: {error}") from None


def _launcher(executable: str) -> str:
    """The file's name where it is a script that starts a Python, in its own way, and no Python itself; "" otherwise."""
    try:
        with open(executable, "rb") as file:
            script = file.read(2) == b"#!"
    except OSError:  # it is one that was found on PATH, and runs
        return ""
    return "".join(filter(str.isprintable, os.path.basename(executable))) if script else ""


def _probe(executable: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """What it said, in files: nothing that it leaves running, or prints without end, is waited for."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        arguments = [executable, "-s", "-B", "-c", PROBE, str(ROOT), MARK]
        try:
            process = subprocess.Popen(
                arguments,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=errors,
                start_new_session=True,
            )
        except OSError as error:
            raise UsageError(
                f"cannot run {executable}: {error.strerror}: give the path of a Python interpreter"
            ) from None
        end, ended = time.monotonic() + PROBE_SECONDS, False
        try:
            while not ended:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    ended = process.wait(timeout=0.05) is not None
                if max(os.fstat(file.fileno()).st_size for file in (out, errors)) > MOST_PRINTED:
                    raise UsageError(
                        f"{executable} prints more than {MOST_PRINTED >> 20} MiB at its start: is it a Python interpreter?"
                    )
                if not ended and time.monotonic() > end:
                    raise UsageError(
                        f"{executable} did not answer within {PROBE_SECONDS} s: is it a Python interpreter?"
                    )
        finally:
            processes.end(process)
        said = []
        for file in (out, errors):
            file.seek(0)
            said.append(file.read().decode(errors="replace"))
        return subprocess.CompletedProcess(arguments, process.returncode, *said)


def answer_in(output: str) -> dict[str, Any] | None:
    """What stands behind the last ``MARK`` among what the interpreter, or a script around it, prints besides."""
    answer = None
    for line in output.splitlines():
        with contextlib.suppress(ValueError, RecursionError):
            said = json.loads(line.removeprefix(MARK)) if line.startswith(MARK) else None
            answer = said if isinstance(said, dict) else answer
    return answer


def _why(done: subprocess.CompletedProcess[str]) -> str:
    """One line on a process that gave no answer: its error, or what it printed in place of one."""
    errors, printed = ([line for line in text.splitlines() if line.strip()] for text in (done.stderr, done.stdout))
    if errors:
        return next((line for line in errors if line.startswith("Fatal Python error")), errors[-1])
    ended = f"killed by signal {-done.returncode}" if done.returncode < 0 else f"exit status {done.returncode}"
    return f"{ended}, and it printed {printed[-1][:80]!r}" if printed else ended


def resolve(specification: str, switches: Mapping[str, str]) -> Runtime:
    """The runtime of one ``--python`` value: VERSION or PATH, either with NAME= before it. Raises UsageError."""
    name, equals, wanted = specification.partition("=")
    if not equals or _is_path(name):  # of which a folder may have = in its name
        name, equals, wanted = "", "", specification
    if equals and not re.fullmatch(facts.NAME, name):
        raise UsageError(
            f"the runtime name {name!r} in --python {specification} may contain only letters, digits and . + - _"
        )
    if re.fullmatch(r"(cpython|python|pypy|graalpy)?-?\d+(\.\d+)*t?", wanted, re.ASCII):
        path = find(wanted)
        if path is None:
            raise UsageError(f"no interpreter {wanted} found on PATH, in pyenv or uv: install it or give its path")
        executable = path
    elif wanted == "pyodide":
        executable = _pyodide()
    elif wanted and (equals or _is_path(wanted)):
        executable = os.path.abspath(os.path.expanduser(wanted))
    else:
        raise UsageError(
            f"no such interpreter {wanted!r}: give a version (3.12, 3.14t, pypy3.11), pyodide or a path, or NAME= and one of them"
        )
    described = describe(executable, switches)
    return Runtime(
        name=name if equals else workload_runtime.name_of(described),
        specification=specification,
        executable=executable,
        environment=dict(switches),
        described=described,
    )


def _pyodide() -> str:
    """The launcher that runs Pyodide under Node. Raises UsageError where Node or the package is missing."""
    launcher = ROOT / "web" / "python.mjs"
    node = shutil.which("node")
    if node is None or not launcher.is_file():
        raise UsageError(
            "pyodide needs Node and this project's folder web: install Node, or leave --python pyodide out"
        )
    done = subprocess.run([node, str(launcher), "--where"], capture_output=True, text=True)
    if done.returncode:
        raise UsageError(f"pyodide: {done.stderr.strip() or 'Node cannot run its launcher'}")
    return str(launcher)


def _is_path(text: str) -> bool:
    return os.sep in text or bool(os.altsep and os.altsep in text)


def with_switches(runtime: Runtime, switches: Mapping[str, str]) -> Runtime:
    """The same interpreter with environment variables of its own: a runtime of its own, with a name that says so.

    Raises UsageError where the interpreter does not start with them, or says that they had no effect.
    """
    environment = {**runtime.environment, **switches}
    text = " ".join(f"{name}={value}" for name, value in switches.items())
    try:
        described = describe(runtime.executable, environment)
    except UsageError as error:
        raise UsageError(f"{runtime.name} does not run with {text}: {error}") from None
    effects.check(runtime.name, switches, runtime.described, described)
    plain, name = (workload_runtime.name_of(said) for said in (runtime.described, described))
    suffix = (
        name.removeprefix(plain) if name != plain and name.startswith(plain) else "+" + re.sub(r"[^\w.+=-]+", "_", text)
    )
    return dataclasses.replace(runtime, name=runtime.name + suffix, environment=environment, described=described)


def matrix(switches: Mapping[str, str]) -> tuple[list[Runtime], list[str]]:
    """The default matrix: the runtimes found, and a line for each version that is not there."""
    runtimes, missing = [], []
    for version in default_versions():
        try:
            runtimes.append(resolve(version, switches))
        except UsageError as error:
            missing.append(f"skipped cpython-{version}: {error}")
    return runtimes, missing


def newest() -> str:
    """The newest version of the default matrix that is installed. Raises UsageError where none is."""
    for version in reversed(default_versions()):
        if find(version) is not None:
            return version
    raise UsageError(f"none of CPython {', '.join(default_versions())} is installed: give one with --python PATH")


def with_distinct_names(runtimes: Iterable[Runtime]) -> list[Runtime]:
    """The same runtimes; where two share a name the later ones get ``#2``, ``#3`` …"""
    seen: dict[str, int] = {}
    distinct = []
    for runtime in runtimes:
        seen[runtime.name] = seen.get(runtime.name, 0) + 1
        count = seen[runtime.name]
        distinct.append(runtime if count == 1 else dataclasses.replace(runtime, name=f"{runtime.name}#{count}"))
    return distinct
