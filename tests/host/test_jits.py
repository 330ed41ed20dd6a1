"""JITs that are loaded into a CPython, where `nox -s tests` could install them: proven to be on, and the bits they keep."""

import os

import pytest

import bench
from tests.host.conftest import SMALL

PYTHONS = dict(line.split("=", 1) for line in os.environ.get("MICROGPT_BENCH_JITS", "").splitlines())
# a switch that changes whether it is at work, and whether it is so without the switch
JITS = {
    "cinderx": ("CINDERX_JIT_AUTO=20 CINDERX_JIT_BACKGROUND_COMPILE=0", False),
    "pyston_lite": ("DISABLE_PYSTON=1", True),
}


@pytest.mark.parametrize("name", JITS)
def test_its_bits_are_those_of_the_interpreter_alone(name, bench_command, documents):
    if name not in PYTHONS:
        pytest.skip(f"{name} is not here: nox -s tests installs it, where it has a wheel, and a CPython for it")
    switch, at_work = JITS[name]
    words = ["--engine", "fused_dot", "--engine", "compiled", "--python", PYTHONS[name], "--env", switch]
    sizes = ["--data", documents, *SMALL, "--steps", 4, "--rounds", 1, "--from-start", "--name", "here"]
    done = bench_command("run", *words, *sizes)
    assert done.exit_code == 0, done.output
    run = bench.load_run("results/here")
    without, switched = run.record.runtimes
    said = {runtime: about.described["other_jits"] for runtime, about in run.record.runtimes.items()}
    for runtime, expected in ((without, at_work), (switched, not at_work)):
        assert (name in said[runtime] and not said[runtime].endswith((" off", " on request"))) is expected
    for engine in run.record.engines:
        assert run.losses(engine, without) == run.losses(engine, switched)
        assert run.finding((engine, switched)).parity.value == "bit-identical"
