"""Engine files compiled as they are: the compiler of each interpreter makes an extension module, which is a row of its own.

Nothing is written into the file for the compiler's sake, so the row says what the compiler alone brings. A worker loads a
small engine file written here, which imports what was built for its interpreter. Where a compiler is missing that cell is
skipped, where it stops the cell has failed, and both say why. What was built is kept in the user's cache, by a checksum of
all that it was made of.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import pathlib
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence

import engines
from bench.host.measure import engine_files, sources
from bench.host.measure.answers import one_line
from bench.host.measure.compilers import COMPILERS
from bench.host.measure.engine_files import Taken
from bench.host.system import datasets, kept, processes
from bench.host.system.interpreters import Runtime, worker_environment
from bench.workload.built import NotCompiled

COMPILE_SECONDS = 300.0
KEPT = 100  # modules in the cache
# what an interpreter lacks for a compiler, on the last line: modules, then what any extension module needs
LOOK = """
import importlib.metadata, importlib.util, json, os, shlex, shutil, sys, sysconfig
needs = json.loads(sys.argv[1])
lacks = [needs[module] for module in needs if importlib.util.find_spec(module) is None]
compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "")
version = "" if lacks else importlib.metadata.version(next(iter(needs.values())))
tools = []
if not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")):
    tools.append("its header files (Python.h)")
if os.name == "posix" and not (compiler and shutil.which(compiler[0])):
    tools.append("a C compiler")
print("\\n" + json.dumps([version, lacks, tools]))
"""
ENGINE_FILE = '''"""The engine {module}, compiled by {compiler} as it is; written by microgpt-bench."""

import os

from bench.workload.built import load_built

ENGINE = load_built(os.path.dirname(__file__), {module!r}, {compiler!r}, {builds!r})
'''


class Missing(Exception):
    """The interpreter lacks what compiling takes; one line that says what."""


@dataclasses.dataclass(frozen=True)
class Built:
    """An extension module: its file's name and content, and the compiler's version and time."""

    name: str
    content: bytes
    version: str
    seconds: float


def take(
    plain: Taken, file: pathlib.Path, compiler: str, folder: pathlib.Path, runtimes: Sequence[Runtime]
) -> tuple[Taken, list[str]]:
    """The engine of ``file``, taken along as ``plain``, compiled into ``folder`` for each runtime; and a line on how long that took.

    Raises EngineError where the file's name is none that a module can have.
    """
    module = file.stem
    if not module.isidentifier():
        raise engines.EngineError(f"{file.name} cannot be compiled: a module's name has letters, digits and _ only")
    beside = "engines" if file.parent == plain.subject.source / "engines" else ""
    files = engine_files.gather(engine_files.OnDisk(file.parent), file.name, beside)
    if beside:  # what the built-in engines share is imported from the package that they are in
        files = {file.name: files[file.name]}
    engine_files.write({path: content for path, content in files.items() if path != file.name}, folder)
    builds: dict[str, tuple[str, str]] = {}
    times = []
    for runtime in runtimes:
        build = runtime.described["build"]
        if builds.get(build, ("",))[0] == "built":
            continue
        try:
            built = _built(module, files, compiler, runtime, plain.subject.source)
        except Missing as why:
            builds.setdefault(build, ("missing", str(why)))
        except NotCompiled as why:
            builds[build] = ("failed", str(why))
        else:
            below = f"built/{len(builds)}/{built.name}"
            engine_files.write({below: built.content}, folder)
            builds[build] = ("built", below)
            times.append(f"{built.seconds:.1f} s by {compiler} {built.version} on {runtime.name}")
    own = folder / f"{module}_{compiler}.py"
    folder.mkdir(parents=True, exist_ok=True)
    own.write_text(ENGINE_FILE.format(module=module, compiler=compiler, builds=builds), encoding="utf-8")
    path = None if plain.record.path is None else f"{plain.record.path}+{compiler}"
    taken = Taken(dataclasses.replace(plain.subject, loads=str(own)), dataclasses.replace(plain.record, path=path))
    return taken, [f"{module}+{compiler} was compiled beforehand: {', '.join(times)}"] if times else []


def _built(module: str, files: Mapping[str, bytes], compiler: str, runtime: Runtime, source: pathlib.Path) -> Built:
    """From the cache, or made now. Raises Missing, NotCompiled."""
    version = _version(compiler, runtime)
    facts = [
        module,
        engine_files.digest(files),
        sources.digest(source / "bench"),
        compiler,
        version,
        COMPILERS[compiler].words,
        {fact: runtime.described[fact] for fact in ("build", "config_args", "machine", "libc")},
        {name: os.environ.get(name) for name in ("CC", "CFLAGS", "CPPFLAGS", "LDFLAGS")},
    ]
    path = datasets.cache() / "compiled" / hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]
    if (body := kept.read(path)) is not None:
        head, _, content = body.partition(b"\n")
        return Built(content=content, version=version, **json.loads(head))
    built = _compile(module, files, compiler, version, runtime, source)
    kept.keep(path, json.dumps({"name": built.name, "seconds": built.seconds}).encode() + b"\n" + built.content, KEPT)
    return built


def _version(compiler: str, runtime: Runtime) -> str:
    """The compiler's version in an interpreter. Raises Missing."""
    needs = COMPILERS[compiler].needs
    try:
        done = subprocess.run(
            [runtime.executable, "-s", "-B", "-c", LOOK, json.dumps(needs)],
            env=worker_environment(runtime.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=COMPILE_SECONDS,
        )
        version, lacks, tools = json.loads(done.stdout.splitlines()[-1])
    except (OSError, ValueError, IndexError, subprocess.TimeoutExpired):
        raise Missing(f"{runtime.name} does not say whether it has {compiler}") from None
    if lacks:
        raise Missing(f"{compiler} is missing: run `python -m pip install {' '.join(lacks)}` with this interpreter")
    if tools:
        raise Missing(
            f"{compiler} needs {' and '.join(tools)}, and there is none: install the development files of {runtime.name}"
        )
    return str(version)


def _compile(
    module: str, files: Mapping[str, bytes], compiler: str, version: str, runtime: Runtime, source: pathlib.Path
) -> Built:
    """Run the compiler in a folder of its own. Raises NotCompiled."""
    with tempfile.TemporaryDirectory(prefix="compile-", dir=source.parent) as name:
        folder = pathlib.Path(name)
        engine_files.write(files, folder)
        # the sources, for what the compiler looks up; the folder itself must not hide the compiler's own modules
        paths = {
            "PYTHONPATH": str(source),
            "MYPYPATH": str(source),
            "PYTHONSAFEPATH": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        began = time.monotonic()
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(
                [runtime.executable, "-s", "-m", *COMPILERS[compiler].words, f"{module}.py"],
                env={**worker_environment(runtime.environment), **paths},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                status = process.wait(COMPILE_SECONDS)
            except subprocess.TimeoutExpired:
                raise NotCompiled(f"{compiler} took longer than {COMPILE_SECONDS:.0f} s") from None
            finally:
                processes.end(process)
            seconds = time.monotonic() - began
            said.seek(0)
            lines = said.read().decode(errors="replace").replace(f"{folder}{os.sep}", "").splitlines()
        made = [path for path in folder.glob(f"{module}.*") if path.suffix in engine_files.BUILT]
        if status or len(made) != 1:
            told = [line for line in lines if line.strip()] or ["nothing"]
            why = next((line for line in told if "error" in line.lower()), told[-1])
            raise NotCompiled(f"{compiler} {version} stopped: {one_line(why)}")
        return Built(made[0].name, made[0].read_bytes(), version, round(seconds, 1))
