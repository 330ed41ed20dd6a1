"""Builds the extension module; everything else about the distribution stands in pyproject.toml.

`python native/setup.py build_ext --inplace` builds it into this folder, where engines/native.py looks too.
"""

import os
import pathlib
import sys
import sysconfig

from setuptools import Extension, setup

os.chdir(pathlib.Path(__file__).resolve().parent)

# One file serves every CPython from 3.10 on. 3.9's stable interface lacks the fast calling convention, and
# free-threaded builds have no stable interface: those get a file of their own.
STABLE = sys.version_info >= (3, 10) and not sysconfig.get_config_var("Py_GIL_DISABLED")

setup(
    license="MIT",
    ext_modules=[
        Extension(
            "_microgpt_native",
            ["_microgpt_native.c"],
            depends=["kernels.h"],
            libraries=["m"],
            # no contraction: a * b + c rounds twice, as in Python; no errno: a square root is one instruction
            extra_compile_args=[
                "-std=gnu11",
                "-O3",
                "-ffp-contract=off",
                "-fno-math-errno",
                "-fvisibility=hidden",
                "-g0",
            ],
            define_macros=[("Py_LIMITED_API", "0x030A0000")] if STABLE else [],
            py_limited_api=STABLE,
            optional=True,  # without a compiler the install goes through and the engine says what it lacks
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp310"}} if STABLE else {},
)
