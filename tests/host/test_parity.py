"""Parity's own tests: what agrees, what only rounds, and errors that must not get through."""

import dataclasses
import functools
import math

import numpy as np
import pytest

import engines
from bench.host.results import parity
from bench.host.results.parity import Agreement, Finding
from bench.workload.config import Config
from bench.workload.trainer import Trainer
from bench.workload.worker import pack

REFERENCE = engines.load("reference")
DOCUMENTS = ["cabbage", "bead", "decade", "deaf cab"]
CONFIG = Config(n_embd=8, n_head=2, block_size=8, n_layer=2)


def gradients(engine):
    """The first step's gradients as a worker sends them, and their shapes."""
    found = Trainer(engine, DOCUMENTS, CONFIG).gradients()
    return parity.unpack(pack(found.values())), {name: (len(rows), len(rows[0])) for name, rows in found.items()}


@functools.cache
def right_gradients():
    """The reference's, for all that is held against them."""
    return gradients(REFERENCE)


def wrong_gradient(op, factor):
    """The reference with one op whose results are right and whose gradient is off by ``factor``."""
    right = getattr(REFERENCE, op)

    def through(value):
        return type(value)(value.data, (value,), (factor,))

    def wrong(*arguments):
        out = right(*arguments)
        return [through(value) for value in out] if isinstance(out, list) else through(out)

    return dataclasses.replace(REFERENCE, name="wrong", **{op: wrong})


OPS = ["embedding", "add", "linear", "rmsnorm", "relu", "attention", "cross_entropy", "mean"]


@pytest.mark.parametrize("op", OPS)
def test_a_gradient_wrong_by_one_part_in_a_million_diverges(op):
    expected, shapes = right_gradients()
    got, _ = gradients(wrong_gradient(op, 1 + 1e-6))
    finding = parity.compare_gradients(expected, got, shapes)
    assert finding.parity is Agreement.DIVERGED
    assert "gradient of" in finding.reason


@pytest.mark.parametrize("op", OPS)
def test_the_same_detour_with_the_right_gradient_does_not(op):
    expected, shapes = right_gradients()
    got, _ = gradients(wrong_gradient(op, 1.0))
    assert parity.compare_gradients(expected, got, shapes).parity is not Agreement.DIVERGED


def test_adam_hides_a_scaled_gradient_from_the_losses_but_not_from_the_comparison():
    right, wrong = Trainer(REFERENCE, DOCUMENTS, CONFIG), Trainer(wrong_gradient("mean", 1 + 1e-6), DOCUMENTS, CONFIG)
    first = [(right.step().loss, wrong.step().loss) for _ in range(3)]
    assert all(abs(a - b) < 1e-9 for a, b in first)  # hardly anything to see in the losses
    expected, shapes = right_gradients()
    assert parity.compare_gradients(expected, gradients(wrong.engine)[0], shapes).parity is Agreement.DIVERGED


@pytest.mark.parametrize("name", [name for name in engines.NAMES if not engines.load(name).unavailable])
def test_every_right_engine_passes(name):
    expected, shapes = right_gradients()
    assert parity.compare_gradients(expected, gradients(engines.load(name))[0], shapes).parity is not Agreement.DIVERGED


ONE_BIT = math.nextafter(2.0, 3.0)


@pytest.mark.parametrize(
    "losses, expected",
    [
        ([3.0, 2.0, 1.0], Finding(Agreement.BIT_IDENTICAL)),
        ([3.0, ONE_BIT, 1.0], Finding(Agreement.ROUNDING, ONE_BIT - 2.0, 2)),
        ([3.0, 2.0 + 9e-13, 1.0 + 5e-13], Finding(Agreement.ROUNDING, 2.0 + 9e-13 - 2.0, 2)),
    ],
)
def test_losses_that_agree(losses, expected):
    assert parity.compare_losses([3.0, 2.0, 1.0], losses) == expected


@pytest.mark.parametrize(
    "losses, step", [([3.0, 2.0 + 3e-12, 1.0], 2), ([math.nan, 2.0, 1.0], 1), ([3.0, 2.0, math.inf], 3)]
)
def test_losses_that_diverge(losses, step):
    finding = parity.compare_losses([3.0, 2.0, 1.0], losses)
    assert (finding.parity, finding.first_step) == (Agreement.DIVERGED, step)


def test_a_reference_that_is_not_a_number_proves_nothing():
    finding = parity.compare_losses([math.nan], [math.nan])
    assert finding.parity is Agreement.DIVERGED
    assert "reference's loss is nan" in finding.reason


def test_lists_of_different_steps_are_refused():
    with pytest.raises(ValueError, match="must be of the same steps"):
        parity.compare_losses([1.0, 2.0], [1.0])


def test_parameters():
    one = np.array([0.5, -0.25])
    assert parity.compare_parameters(one, one.copy()).parity is Agreement.BIT_IDENTICAL
    assert parity.compare_parameters(one, one + 1e-15).parity is Agreement.ROUNDING
    for wrong in (one + 1e-9, one * np.nan, one[:1]):
        assert parity.compare_parameters(one, wrong).parity is Agreement.DIVERGED


def test_the_worst_of_several_rounds():
    found = parity.worst(
        [Finding(Agreement.BIT_IDENTICAL), Finding(Agreement.ROUNDING, 1e-16, 4), Finding(Agreement.ROUNDING, 2e-16, 9)]
    )
    assert found == Finding(Agreement.ROUNDING, 2e-16, 4)
