"""Forward, backward, Adam's update and generation of each engine, as micro-benchmarks: `nox -s micro`.

Every round does the same work from the same seeded state, which its setup restores outside the clock. Before an engine is
timed its losses are held against the reference's; what was found is in ``extra_info``. Engines are timed one after the other,
not in lockstep: for a ratio to believe use `nox -s bench`.
"""

import functools
import hashlib

import pytest

import engines
from bench.host.parity import compare_losses, keeps
from bench.workload.generators import seeded
from bench.workload.trainer import Trainer

STEPS = 10  # on which losses are compared
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
    found = compare_losses(losses("reference"), losses(name))
    promised = engines.load(name).parity.value
    if not keeps(found, promised):
        pytest.fail(f"{name} is not timed: it promises losses that are {promised}, and they are {found}", pytrace=False)
    digest = hashlib.sha256(" ".join(loss.hex() for loss in losses(name)).encode()).hexdigest()
    benchmark.extra_info.update(engine=name, parity=str(found), losses_sha256=digest)
    return Trainer(name)


@pytest.fixture
def document(trainer: Trainer) -> list[int]:
    """The first document's tokens."""
    return list(trainer.vocabulary.encode(trainer.documents[0]))


def timed(benchmark, trainer, function, prepare, rounds=ROUNDS) -> None:  # type: ignore[no-untyped-def]
    """Time ``function`` from the same state in each round; ``prepare`` gives its arguments, outside the clock."""
    before = trainer.snapshot()

    def setup():  # type: ignore[no-untyped-def]
        trainer.engine.reset()
        trainer.restore(before)  # gradients are zero again
        return prepare(), {}

    benchmark.pedantic(function, setup=setup, rounds=rounds, warmup_rounds=1)


@pytest.mark.benchmark(group="forward")
def test_forward(benchmark, trainer, document):  # type: ignore[no-untyped-def]
    """The loss of one document, with its graph."""
    timed(benchmark, trainer, trainer.model.loss, lambda: (document,))


@pytest.mark.benchmark(group="backward")
def test_backward(benchmark, trainer, document):  # type: ignore[no-untyped-def]
    """Gradients of one document's loss."""
    timed(benchmark, trainer, trainer.engine.backward, lambda: (trainer.model.loss(document),))


@pytest.mark.benchmark(group="adam")
def test_adam(benchmark, trainer, document):  # type: ignore[no-untyped-def]
    """The first update of all weights."""

    def with_gradients():  # type: ignore[no-untyped-def]
        trainer.engine.backward(trainer.model.loss(document))
        return 1, trainer.config.learning_rate_at(0)

    timed(benchmark, trainer, trainer.optimizer.update, with_gradients)


@pytest.mark.benchmark(group="generate")
def test_generate(benchmark, trainer):  # type: ignore[no-untyped-def]
    """A few samples of the untrained model, from the same random numbers each time."""

    def with_seed():  # type: ignore[no-untyped-def]
        trainer.rng = seeded(trainer.config.rng, trainer.config.seed, trainer.config.gaussian)
        return (SAMPLES,)

    timed(benchmark, trainer, trainer.generate, with_seed, rounds=3)
