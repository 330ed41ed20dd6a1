"""Builds the extension module for Python in the browser, Pyodide: python native/wasm.py

The source is the same, compiled to WebAssembly by clang, which the Python package ziglang brings, and linked as a module that
Pyodide loads as any extension module. The stable interface is declared by the headers of the Python that runs this; what differs
on WebAssembly, the sizes of types above all, is said in Pyodide's own configuration, in web/node_modules. `npm ci --prefix web`
fetches that. What is called from the C library and from Python is found in Pyodide when the module is loaded.
"""

from __future__ import annotations

import importlib.util
import pathlib
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from typing import Any, Dict, List

HERE = pathlib.Path(__file__).resolve().parent
PYODIDE = HERE.parent / "web" / "node_modules" / "pyodide" / "python_stdlib.zip"
CONFIGURATION = "_sysconfigdata__emscripten_wasm32-emscripten.py"
# as in setup.py; what is the same in every browser since 2023 are vectors of two doubles. WebAssembly has no contraction.
COMPILE = ["-target", "wasm32-wasi", "-std=gnu11", "-O3", "-fPIC", "-msimd128", "-mno-extended-const", "-ffp-contract=off", "-fno-math-errno",
           "-fvisibility=hidden", "-g0", "-DPy_LIMITED_API=0x030A0000"]  # fmt: skip
LINK = ["-shared", "--experimental-pic", "--no-entry", "--unresolved-symbols=import-dynamic", "--strip-all",
        "--export=PyInit__microgpt_native"]  # fmt: skip


def missing() -> str:
    """What keeps the module from being built here, with what to do; "" where nothing does."""
    if importlib.util.find_spec("ziglang") is None:
        return "no compiler for WebAssembly: python -m pip install ziglang"
    if not PYODIDE.exists():
        return "no Pyodide to build for: npm ci --prefix web"
    if sys.implementation.name != "cpython" or sys.version_info < (3, 10):
        return "the stable interface is declared by a CPython from 3.10 on: run this with one"
    if not (pathlib.Path(sysconfig.get_path("include")) / "Python.h").exists():
        return f"no Python.h in {sysconfig.get_path('include')}: install the headers of this Python"
    return ""


def build() -> pathlib.Path:
    """The module's file, newly built, beside the ones for this machine's own interpreters."""
    with zipfile.ZipFile(PYODIDE) as archive:
        found: Dict[str, Any] = {}
        exec(archive.read(CONFIGURATION), found)
    configured = found["build_time_vars"]
    with tempfile.TemporaryDirectory() as temporary:
        headers, compiled = pathlib.Path(temporary, "include"), pathlib.Path(temporary, "native.o")
        shutil.copytree(sysconfig.get_path("include"), headers)
        sizes = [f"#define {name} {value}\n" for name, value in configured.items() if "SIZEOF_" in name]
        (headers / "pyconfig.h").write_text("".join(sizes) + "#define HAVE_SSIZE_T 1\n", encoding="utf-8")
        target = HERE / f"_microgpt_native{configured['EXT_SUFFIX']}"
        _zig("cc", *COMPILE, f"-I{headers}", "-c", str(HERE / "_microgpt_native.c"), "-o", str(compiled))
        _zig("wasm-ld", *LINK, str(compiled), "-o", str(target))
    return target


def _zig(*words: str) -> None:
    command: List[str] = [sys.executable, "-m", "ziglang", *words]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    trouble = missing()
    if trouble:
        sys.exit(trouble)
    try:
        print(build().name)
    except subprocess.CalledProcessError as error:
        sys.exit(f"{' '.join(error.cmd[2:4])} ended with status {error.returncode}")
