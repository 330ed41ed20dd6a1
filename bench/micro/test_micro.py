"""Forward, backward, Adam's update and generation of each engine, as micro-benchmarks: `nox -s micro`.

Every round does the same work from the same seeded state, which its setup restores outside the clock. Before an engine is
timed its losses are held against the reference's; what was found is in ``extra_info``. Engines are timed one after the other,
not in lockstep: for a ratio to believe use `nox -s bench`.
"""

import functools
import hashlib

import pytest

import engines
from bench.host.parity import Finding, Parity, compare_losses
from bench.workload.generators import seeded
from bench.workload.trainer import Trainer

STEPS = 3  # on which losses are compared
ROUNDS = 10
SAMPLES = 5


@functools.cache
def losses(engine: str) -> tuple[float, ...]:
    """Of the first steps, in nats per token."""
    trainer = Trainer(engine)
    return tuple(trainer.step().loss for _ in range(STEPS))


@pytest.fixture(params=engines.NAMES)
def trainer(request: pytest.FixtureRequest, benchmark) -> Trainer:  # type: ignore[no-untyped-def]
    """A fresh trainer of an engine whose losses agree; skips one that can't run here, fails one that diverged."""
    name = request.param
    unavailable = engines.load(name).unavailable
    if unavailable:
        pytest.skip(unavailable)
    found: Finding = compare_losses(losses("reference"), losses(name))
    assert found.parity is not Parity.DIVERGED, f"{name} is not timed: {found}"
    promised = engines.load(name).parity
    assert list(Parity).index(found.parity) <= list(Parity).index(Parity(promised.value)), f"{name} promised {promised}"
    digest = hashlib.sha256(" ".join(loss.hex() for loss in losses(name)).encode()).hexdigest()
    benchmark.extra_info.update(engine=name, parity=str(found), losses_sha256=digest)
    return Trainer(name)


def tokens(trainer: Trainer) -> list[int]:
    """The first document's."""
    return list(trainer.vocabulary.encode(trainer.documents[0]))


@pytest.mark.benchmark(group="forward")
def test_forward(benchmark, trainer):  # type: ignore[no-untyped-def]
    """The loss of one document, with its graph."""
    document = tokens(trainer)

    def setup():  # type: ignore[no-untyped-def]
        trainer.engine.reset()
        return (document,), {}

    benchmark.pedantic(trainer.model.loss, setup=setup, rounds=ROUNDS, warmup_rounds=1)


@pytest.mark.benchmark(group="backward")
def test_backward(benchmark, trainer):  # type: ignore[no-untyped-def]
    """Gradients of one document's loss."""
    document, before = tokens(trainer), trainer.snapshot()

    def setup():  # type: ignore[no-untyped-def]
        trainer.engine.reset()
        trainer.restore(before)  # gradients are zero again
        return (trainer.model.loss(document),), {}

    benchmark.pedantic(trainer.engine.backward, setup=setup, rounds=ROUNDS, warmup_rounds=1)


@pytest.mark.benchmark(group="adam")
def test_adam(benchmark, trainer):  # type: ignore[no-untyped-def]
    """The first update of all weights."""
    document, before = tokens(trainer), trainer.snapshot()

    def setup():  # type: ignore[no-untyped-def]
        trainer.engine.reset()
        trainer.restore(before)
        trainer.engine.backward(trainer.model.loss(document))
        return (1, trainer.config.learning_rate_at(0)), {}

    benchmark.pedantic(trainer.optimizer.update, setup=setup, rounds=ROUNDS, warmup_rounds=1)


@pytest.mark.benchmark(group="generate")
def test_generate(benchmark, trainer):  # type: ignore[no-untyped-def]
    """A few samples of the untrained model, from the same random numbers each time."""

    def setup():  # type: ignore[no-untyped-def]
        trainer.engine.reset()
        trainer.rng = seeded(trainer.config.rng, trainer.config.seed, trainer.config.gaussian)
        return (SAMPLES,), {}

    benchmark.pedantic(trainer.generate, setup=setup, rounds=3, warmup_rounds=1)
