"""Any engine goes on from any state of the training run as one does that came there by itself."""

import functools
import math
from itertools import chain

import pytest

import engines
from bench.workload.config import Config, WorkloadError
from bench.workload.engine import Parity
from bench.workload.trainer import Trainer

DOCUMENTS = ["cabbage", "bead", "decade", "abed", "fad", "gab"]
CONFIG = Config(n_embd=8, n_head=2, block_size=6, schedule_steps=40)
OPTIONS = Config(n_embd=8, n_head=2, block_size=6, schedule_steps=40, tied=True, clip_norm=0.5, weight_decay=0.1)


def weights(trainer):
    return list(chain.from_iterable(chain.from_iterable(trainer.weights().values())))


@functools.cache
def reference(config):
    """Its state after five steps, the next three losses, and the weights after these."""
    trainer = Trainer("reference", DOCUMENTS, config)
    for _ in range(5):
        trainer.step()
    state = trainer.optimizer.state()
    return state, [trainer.step().loss for _ in range(3)], weights(trainer)


@pytest.mark.parametrize("config", [CONFIG, OPTIONS], ids=["plain", "options"])
@pytest.mark.parametrize("name", engines.NAMES)
def test_an_engine_goes_on_from_a_state(name, config):
    engine = engines.load(name)
    if engine.unavailable:
        pytest.skip(engine.unavailable)
    state, expected, ended = reference(config)
    trainer = Trainer(engine, DOCUMENTS, config)
    trainer.step()  # in the middle of something else
    trainer.load(5, *state)
    before = trainer.snapshot()
    for _ in range(2):  # and again from where it came to
        losses = [trainer.step().loss for _ in range(3)]
        if engine.parity is Parity.BIT_IDENTICAL:
            assert losses == expected and weights(trainer) == ended
        else:
            assert losses == pytest.approx(expected, rel=0, abs=1e-12)
            assert weights(trainer) == pytest.approx(ended, rel=0, abs=1e-9)
        trainer.restore(before)


@pytest.mark.parametrize("config", [CONFIG, OPTIONS], ids=["plain", "options"])
def test_the_engine_that_computes_states_has_the_references(config):
    reference, other = (Trainer(name, DOCUMENTS, config) for name in ("reference", "compiled"))
    for _ in range(6):
        assert reference.step().loss == other.step().loss
    assert reference.optimizer.state() == other.optimizer.state()


def test_a_state_that_does_not_fit_is_refused():
    trainer = Trainer("reference", DOCUMENTS, CONFIG)
    state = trainer.optimizer.state()
    with pytest.raises(WorkloadError, match="does not fit a model"):
        trainer.load(3, *(numbers[:-1] for numbers in state))


def test_floats_of_a_state_are_numbers_of_their_own():
    """So they keep the places in memory that updates gave the weights."""
    trainer = Trainer("reference", DOCUMENTS, CONFIG)
    trainer.load(0, *trainer.optimizer.state())
    numbers = [p.data for p in trainer.optimizer.parameters]
    assert len(set(map(id, numbers))) == len(numbers) and all(map(math.isfinite, numbers))
