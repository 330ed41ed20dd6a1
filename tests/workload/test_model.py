"""Every engine trains the one model as the reference does, whatever the sizes."""

import math

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bench.workload.config import Config, WorkloadError
from bench.workload.engine import Parity
from bench.workload.trainer import Trainer

DOCUMENTS = ["ab", "a", "cabbage", "bead", "decade", "façade", "b", "deaf cab"]


def assert_same(engine, documents, config, steps):
    """Losses of every step, first gradients and final weights, as the engine promises them."""
    reference, trainer = Trainer("reference", documents, config), Trainer(engine, documents, config)
    exact = engine.parity is Parity.BIT_IDENTICAL
    assert_gradients(reference.gradients(), trainer.gradients(), exact)
    for _ in range(steps):
        expected, got = reference.step().loss, trainer.step().loss
        assert got == expected if exact else abs(got - expected) <= 1e-12
    for name, expected in flat(reference.weights()).items():
        got = flat(trainer.weights())[name]
        assert got == expected if exact else max(abs(x - y) for x, y in zip(got, expected)) <= 1e-10, name
    return reference, trainer


def flat(matrices):
    return {name: [x for row in rows for x in row] for name, rows in matrices.items()}


def norm(numbers):
    return math.sqrt(sum(x * x for x in numbers))


def assert_gradients(expected, got, exact):
    """As bench.host.parity compares them, which needs more than the standard library."""
    expected, got = flat(expected), flat(got)
    assert list(expected) == list(got)
    size_of_all = norm([x for numbers in expected.values() for x in numbers])
    for name, numbers in expected.items():
        assert len(numbers) == len(got[name]), name
        if exact:
            assert numbers == got[name], name
        error = norm([x - y for x, y in zip(numbers, got[name])])
        assert error <= 1e-11 * (norm(numbers) + 1e-3 * size_of_all), name


def test_small_model(engine):
    config = Config(n_embd=8, n_head=2, block_size=6, schedule_steps=20)
    reference, trainer = assert_same(engine, DOCUMENTS, config, steps=12)
    assert trainer.generate(10) == reference.generate(10)


def test_default_model(engine):
    assert_same(engine, "given_names", Config(), steps=3)


configs = st.builds(
    lambda n_layer, n_head, head_dim, block_size, seed: Config(
        n_layer=n_layer, n_head=n_head, n_embd=n_head * head_dim, block_size=block_size, seed=seed, schedule_steps=10
    ),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 8),
    st.integers(1, 32),
    st.integers(0, 2**31),
)
alphabets = st.integers(1, 59).map(lambda n: [chr(0x61 + i) for i in range(n)])
documents = alphabets.flatmap(
    lambda letters: st.lists(st.text(st.sampled_from(letters), min_size=1, max_size=10), min_size=1, max_size=5)
)


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(config=configs, documents=documents)
@example(config=Config(n_embd=4, n_head=4, block_size=1), documents=["abc", "c"])
@example(config=Config(n_layer=3, n_embd=6, n_head=2, block_size=4), documents=["longer than the block", "b"])
def test_random_sizes(engine, config, documents):
    assert_same(engine, documents, config, steps=3)


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
