"""What the interpreter under test is, in its own words."""

from __future__ import annotations

import os
import platform
import re
import sys
import sysconfig
from typing import Any, Dict


def describe() -> Dict[str, Any]:
    """Every build option and switch of this interpreter that is known to change its speed."""
    jit = getattr(sys, "_jit", None)
    pypy = getattr(sys, "pypy_version_info", None)
    configured = sysconfig.get_config_var("CONFIG_ARGS") or ""
    flags = " ".join(str(sysconfig.get_config_var(name) or "") for name in ("OPT", "PY_CFLAGS", "PY_CORE_CFLAGS"))
    levels = re.findall(r"-O\w*", flags)
    libc = platform.libc_ver() if sys.platform.startswith("linux") else ("", "")
    return {
        "implementation": sys.implementation.name,
        "version": ".".join(map(str, (pypy or sys.version_info)[:3])),
        "python": platform.python_version(),
        "build": sys.version.replace("\n", " "),
        "compiler": platform.python_compiler(),
        "config_args": configured.replace(
            os.path.expanduser("~"), "~"
        ),  # where somebody's home is, is nobody's business
        "optimization": levels[-1] if levels else "",
        "pgo": "--enable-optimizations" in configured or "-fprofile-use" in flags,
        "lto": "--with-lto" in configured or "-flto" in flags,
        "debug": hasattr(sys, "gettotalrefcount"),
        "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        "gil": getattr(sys, "_is_gil_enabled", lambda: True)(),
        "optimize": sys.flags.optimize,
        "dev_mode": sys.flags.dev_mode,
        "hash_randomization": bool(sys.flags.hash_randomization),
        "jit": "none" if jit is None or not jit.is_available() else "on" if jit.is_enabled() else "off",
        "libc": " ".join(libc).strip(),
        "system": platform.system(),
        "machine": platform.machine(),
    }


def name_of(described: Dict[str, Any]) -> str:
    """The runtime's name in tables: ``cpython-3.14``, ``cpython-3.14t``, ``cpython-3.14+jit``, ``pypy-3.11``."""
    name = f"{described['implementation']}-{'.'.join(described['python'].split('.')[:2])}"
    name += "t" if described["free_threaded"] else ""
    name += "d" if described["debug"] else ""
    name += "+jit" if described["jit"] == "on" else ""
    name += "+gil" if described["free_threaded"] and described["gil"] else ""
    return name
