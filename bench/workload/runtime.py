"""What the interpreter under test is, in its own words."""

from __future__ import annotations

import os
import platform
import re
import sys
import sysconfig
from typing import Any, Dict, Sequence

# JIT compilers that are loaded into an interpreter, and the modules by which they are known, where one of them may say
# whether it is at work
OTHER_JITS = {
    "cinderx": ("cinderjit", "cinderx.jit", "cinderx", "_cinderx"),
    "pyjion": ("pyjion",),
    "pyston_lite": ("pyston_lite", "pyston_lite_autoload"),
}
# how the names of environment variables begin that belong to one of them alone
PREFIXES = {"cinderx": "CINDERX_"}


def describe() -> Dict[str, Any]:
    """Every build option and switch of this interpreter that is known to change its speed."""
    jit = getattr(sys, "_jit", None)
    pypy = getattr(sys, "pypy_version_info", None)
    configured = sysconfig.get_config_var("CONFIG_ARGS") or ""
    flags = " ".join(str(sysconfig.get_config_var(name) or "") for name in ("OPT", "PY_CFLAGS", "PY_CORE_CFLAGS"))
    levels = re.findall(r"-O\w*", flags)
    home = os.path.expanduser("~")
    libc = platform.libc_ver() if sys.platform.startswith("linux") else ("", "")
    return {
        "implementation": sys.implementation.name,
        "version": ".".join(map(str, (pypy or sys.version_info)[:3])),
        "python": platform.python_version(),
        "build": sys.version.replace("\n", " "),
        "compiler": platform.python_compiler(),
        # where somebody's home is, is nobody's business
        "config_args": without_folders(configured.replace(home, "~") if len(home) > 1 else configured),
        "optimization": levels[-1] if levels else "",
        # the flags that a WebAssembly build tells of are those of the Python that built it
        "pgo": ("--enable-optimizations" in configured or "-fprofile-use" in flags) and sys.platform != "emscripten",
        "lto": "--with-lto" in configured or "-flto" in flags,
        "frame_pointers": frame_pointers(flags),
        "debug": hasattr(sys, "gettotalrefcount"),
        "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        "gil": getattr(sys, "_is_gil_enabled", lambda: True)(),
        "optimize": sys.flags.optimize,
        "dev_mode": sys.flags.dev_mode,
        "hash_randomization": bool(sys.flags.hash_randomization),
        "jit": "none" if jit is None or not jit.is_available() else "on" if jit.is_enabled() else "off",
        "other_jits": " and ".join(filter(None, map(other_jit, sorted(OTHER_JITS)))),
        "tail_calls": any(sysconfig.get_config_var(f"{mark}Py_TAIL_CALL_INTERP") for mark in ("", "_")),
        "profile_task": profile_task(configured),
        "allocator": allocator(),
        "tracemalloc": traced_frames(),
        "libc": " ".join(libc).strip(),
        "system": platform.system(),
        "machine": platform.machine(),
        **unread_switches(),
    }


def without_folders(arguments: str) -> str:
    """The arguments of configure with the file alone where PROFILE_TASK has a path, which lies on the builder's machine."""
    return re.sub(r"PROFILE_TASK=[^']*", lambda said: re.sub(r"(?<![\w.])[~.\w-]*/\S*/", "", said[0]), arguments)


def profile_task(arguments: str) -> str:
    """What a profile-guided build was trained on where that is not Python's own tests; "" otherwise."""
    told = re.findall(r"PROFILE_TASK=([^']*)", without_folders(arguments))
    return "" if not told or re.match(r"-m test\b", told[-1]) else told[-1].strip()


def allocator() -> str:
    """Where objects get their memory: pymalloc, malloc or mimalloc, and "with debug hooks"; "" where it cannot be told."""
    blocks = getattr(sys, "getallocatedblocks", None)
    if blocks is None or sys.implementation.name != "cpython":
        return ""
    # an interpreter that does not have what the variable asks for does not start
    asked = "" if sys.flags.ignore_environment else os.environ.get("PYTHONMALLOC", "")
    free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    usual = "mimalloc" if free_threaded else "pymalloc" if sysconfig.get_config_var("WITH_PYMALLOC") else "malloc"
    named = asked.replace("_debug", "")
    kind = named if named in ("malloc", "pymalloc", "mimalloc") else usual
    if (kind == "malloc") is (blocks() > 0):  # blocks of malloc's are not counted
        kind = "another than " + kind
    hooks = asked in ("debug", f"{kind}_debug") or (
        not asked and (sys.flags.dev_mode or hasattr(sys, "gettotalrefcount"))
    )
    return kind + " with debug hooks" * hooks


def traced_frames() -> int:
    """How many frames tracemalloc keeps of each block's traceback; 0 where it is not at work."""
    try:
        import _tracemalloc  # tracemalloc itself imports more than a worker needs
    except ImportError:
        return 0
    return _tracemalloc.get_traceback_limit() if _tracemalloc.is_tracing() else 0


def frame_pointers(flags: str) -> bool:
    """Whether the compiler was told to keep them, which CPython does from 3.15 on: the last word on it counts."""
    told = re.findall(r"-f(no-)?omit-frame-pointer", flags)
    return bool(told) and told[-1] == "no-"


def other_jit(name: str) -> str:
    """Such as ``cinderx 2026.10.26.0 on``, ``pyston_lite 2.3.5``, which does not say if it is on; "" if not loaded."""
    modules = [sys.modules[module] for module in OTHER_JITS[name] if module in sys.modules]
    if not modules:
        return ""
    version = next((str(module.__version__) for module in modules if hasattr(module, "__version__")), "")
    try:
        from importlib import metadata  # only here: of what others install, nothing need be readable

        version = version or metadata.version(name)
    except Exception:
        pass
    state = ""
    for module in modules:
        try:
            state = "on" if module.is_enabled() else "off"
            if state == "on" and module.get_compile_after_n_calls() is None:
                state = "on request"  # it compiles what it is told to, and nothing tells it
        except Exception:  # it has no such function, or not such a one
            pass
        if state:
            break
    return " ".join(filter(None, (name, version, state)))


def unread_switches() -> Dict[str, str]:
    """The environment's variables that belong to a JIT whose loaded files do not have their names, in words; {} for none."""
    unread = []
    for name, prefix in PREFIXES.items():
        wanted = sorted(variable for variable in os.environ if variable.startswith(prefix))
        if wanted:
            text = _loaded(OTHER_JITS[name])
            unread += [
                word for word in wanted if not re.search(rb"(?<!\w)" + re.escape(word.encode()) + rb"(?!\w)", text)
            ]
    return {"unread_switches": " ".join(unread)} if unread else {}


def _loaded(modules: Sequence[str]) -> bytes:
    """What is in the files of modules that are loaded, and of those below them."""
    parts = []
    for name, module in sorted(sys.modules.items()):
        if name in modules or name.startswith(tuple(f"{parent}." for parent in modules)):
            try:
                with open(getattr(module, "__file__", None) or "", "rb") as file:
                    parts.append(file.read())
            except OSError:  # it is built in, or in an archive
                pass
    return b"\n".join(parts)


def jits(described: Dict[str, Any]) -> str:
    """The interpreter's own JIT where that is on, or else those loaded into it; earlier versions did not look for these."""
    own, others = described["jit"], described.get("other_jits", "")
    return f"{own} and {others}" if own == "on" and others else others or own


def name_of(described: Dict[str, Any]) -> str:
    """The runtime's name in tables: ``cpython-3.14``, ``cpython-3.14t``, ``cpython-3.14+jit``, ``cpython-3.10+pyston_lite``."""
    kind = "pyodide" if described.get("system") == "Emscripten" else described["implementation"]
    name = f"{kind}-{'.'.join(described['python'].split('.')[:2])}"
    name += "t" if described["free_threaded"] else ""
    name += "d" if described["debug"] else ""
    name += "+jit" if described["jit"] == "on" else ""
    for jit in filter(None, described.get("other_jits", "").split(" and ")):
        name += "" if jit.endswith((" off", " on request")) else f"+{jit.split()[0]}"
    name += "+gil" if described["free_threaded"] and described["gil"] else ""
    return name
