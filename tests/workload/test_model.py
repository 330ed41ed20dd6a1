"""Every engine trains the one model as the reference does, whatever the sizes."""

import functools
import math
from typing import NamedTuple, Optional

import pytest

from bench.workload.config import Config, WorkloadError
from bench.workload.engine import Parity
from bench.workload.trainer import Trainer

DOCUMENTS = ["ab", "a", "cabbage", "bead", "decade", "façade", "b", "deaf cab"]


class Run(NamedTuple):
    """All that is seen of a training run: the first step's gradients, and what its steps leave behind."""

    gradients: dict
    losses: list
    weights: dict
    validation: Optional[float]
    samples: list


def run(engine, documents, config, steps, samples):
    trainer = Trainer(engine, documents, config)
    gradients, losses = trainer.gradients(), [trainer.step().loss for _ in range(steps)]
    validation = trainer.validate() if config.validation_split else None
    return Run(flat(gradients), losses, flat(trainer.weights()), validation, trainer.generate(samples))


@functools.cache
def reference_run(documents, config, steps, samples):
    """Made once, however many engines are held against it: the reference is among the slowest."""
    return run("reference", documents if isinstance(documents, str) else list(documents), config, steps, samples)


def assert_same(engine, documents, config, steps, samples=0):
    """What an engine's run shows is the reference's, as the engine promises it."""
    given = documents if isinstance(documents, str) else tuple(documents)
    expected, got = reference_run(given, config, steps, samples), run(engine, documents, config, steps, samples)
    assert_gradients(expected.gradients, got.gradients)
    assert got.samples == expected.samples
    if engine.parity is Parity.BIT_IDENTICAL:
        assert got == expected
        return
    assert near(got.losses, expected.losses, 1e-12)
    assert got.validation == pytest.approx(expected.validation, abs=1e-12)
    for name, weights in expected.weights.items():
        assert near(got.weights[name], weights, 1e-10), name


def near(numbers, others, most):
    """Whether they are as many, and none is further from its like than ``most``; a NaN is near to nothing."""
    return len(numbers) == len(others) and all(abs(x - y) <= most for x, y in zip(numbers, others))


def flat(matrices):
    return {name: [x for row in rows for x in row] for name, rows in matrices.items()}


def norm(numbers):
    return math.sqrt(sum(x * x for x in numbers))


def assert_gradients(expected, got):
    """As bench.host.results.parity compares them, which needs more than the standard library."""
    assert list(expected) == list(got)
    size_of_all = norm([x for numbers in expected.values() for x in numbers])
    for name, numbers in expected.items():
        assert len(numbers) == len(got[name]), name
        error = norm([x - y for x, y in zip(numbers, got[name])])
        assert error <= 1e-11 * (norm(numbers) + 1e-3 * size_of_all), name


def test_small_model(engine):
    assert_same(engine, DOCUMENTS, Config(n_embd=8, n_head=2, block_size=6, schedule_steps=20), steps=12, samples=10)


def test_default_model(engine):
    assert_same(engine, "given_names", Config(), steps=3)


def test_snapshot_and_restore_repeat_a_step_exactly(engine):
    trainer = Trainer(engine, DOCUMENTS, Config(n_embd=8, n_head=2, block_size=6))
    trainer.step()
    before = trainer.snapshot()
    first, weights = trainer.step().loss, trainer.weights()
    trainer.restore(before)
    assert trainer.step().loss == first
    assert trainer.weights() == weights


def test_reading_gradients_trains_nothing(engine):
    trainer = Trainer(engine, DOCUMENTS, Config(n_embd=8, n_head=2, block_size=6))
    weights = trainer.weights()
    assert trainer.gradients() == trainer.gradients()
    assert trainer.weights() == weights
    assert trainer.steps_done == 0


def test_nodes_are_counted_and_counting_trains_nothing(engine):
    trainer = Trainer(engine, DOCUMENTS, Config(n_embd=8, n_head=2, block_size=6))
    before = trainer.weights()
    counts = [trainer.count_nodes(step) for step in range(4)]
    assert all(count > 0 for count in counts)
    assert trainer.weights() == before
    assert len(set(counts)) > 1 or engine.batched  # longer documents have larger graphs


def test_learning_rate_falls_to_zero_and_stays_there():
    config = Config(schedule_steps=4)
    assert [config.learning_rate_at(step) for step in (0, 2, 4, 9)] == [0.01, 0.005, 0.0, 0.0]


@pytest.mark.parametrize(
    "sizes, message",
    [
        ({"n_embd": 10}, "n_embd 10 does not divide into 4 heads"),
        ({"n_layer": 0}, "n_layer is 0: it must be at least 1"),
        ({"schedule_steps": -1}, "schedule_steps is -1"),
        ({"beta1": 1.0}, "beta1 is 1.0"),
        ({"init_std": float("nan")}, "init_std is nan"),
    ],
)
def test_sizes_that_do_not_fit(sizes, message):
    with pytest.raises(WorkloadError, match=message):
        Config(**sizes)


def test_a_character_the_model_has_not_seen():
    trainer = Trainer("reference", DOCUMENTS)
    with pytest.raises(WorkloadError, match="character 'z' in 'zoo' is not in the training data"):
        trainer.vocabulary.encode("zoo")


def test_no_documents():
    with pytest.raises(WorkloadError, match="no documents"):
        Trainer("reference", [])
