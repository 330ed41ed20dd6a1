"""microgpt.py's own losses, to the last bit where the C library is the one they were recorded with."""

import math
import pathlib
import platform
import sys

import pytest

from bench.workload.trainer import Trainer

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"
# exp, log and pow come from the C library: bits are only promised where it is the recorded one
SAME_LIBRARY = (
    sys.implementation.name == "cpython" and platform.libc_ver()[0] == "glibc" and platform.machine() == "x86_64"
)


def golden(name):
    return [float.fromhex(line) for line in (GOLDEN / name).read_text().splitlines() if not line.startswith("#")]


def assert_losses(trainer, expected):
    for step, loss in enumerate(expected, 1):
        got = trainer.step().loss
        assert got == loss if SAME_LIBRARY else math.isclose(got, loss, abs_tol=1e-12), f"step {step}"


@pytest.mark.parametrize("engine, steps", [("reference", 20), ("vector_exact", 200)])
def test_names(names_path, engine, steps):
    """All that are recorded by an engine that keeps the reference's bits and is quicker."""
    assert_losses(Trainer(engine, names_path), golden("names-seed42-first200.losses.txt")[:steps])


def test_embedded_names():
    assert_losses(Trainer("reference"), golden("given_names-seed42-first20.losses.txt"))
