"""Forward, backward, Adam's update, the graph's end and generation of each engine, as micro-benchmarks: `nox -s micro`.

Every round does the same work from the same seeded state, which its setup restores outside the clock. What workers are
spared is spared here too: what pytest has in memory leaves the collector's sight before the engine's model is made. The
first four parts add up to the whole step, which stands beside them: with `--benchmark-group-by=param:engine` each engine's parts
and step are one table. Before an engine is timed its losses are held against the reference's; what was found is in
``extra_info``. Engines are timed one after the other, not in lockstep: for a ratio to believe use `nox -s bench`.
"""

import functools
import gc
import hashlib
from collections.abc import Iterator

import pytest

import engines
from bench.host.results.parity import compare_losses, meets_promise
from bench.workload.random_streams import seeded
from bench.workload.trainer import Trainer

STEPS = 10  # on which losses are compared
ROUNDS = 10
SAMPLES = 5


@functools.cache
def losses(engine: str) -> tuple[float, ...]:
    """Of the first steps, in nats per token."""
    trainer = Trainer(engine)
    return tuple(trainer.step().loss for _ in range(STEPS))


@pytest.fixture(params=engines.NAMES, scope="module")  # of the module: so an engine's parts and step are neighbours
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine's name."""
    return str(request.param)


@pytest.fixture
def trainer(engine: str, benchmark) -> Iterator[Trainer]:  # type: ignore[no-untyped-def]
    """A fresh trainer of an engine whose losses agree; skips one that can't run here, fails one that diverged."""
    unavailable = engines.load(engine).unavailable
    if unavailable:
        pytest.skip(unavailable)
    finding = compare_losses(losses("reference"), losses(engine))
    promised = engines.load(engine).parity.value
    if not meets_promise(finding, promised):
        pytest.fail(
            f"{engine} is not timed: it promises losses that are {promised}, and they are {finding}", pytrace=False
        )
    digest = hashlib.sha256(" ".join(loss.hex() for loss in losses(engine)).encode()).hexdigest()
    benchmark.extra_info.update(engine=engine, parity=str(finding), losses_sha256=digest)
    # as a worker begins: the collector walks over what the engine makes and not over pytest's own objects, and knows after
    # a first pass how little there is, on which it depends how often it walks over all of it
    gc.collect()
    gc.freeze()
    fresh = Trainer(engine)
    fresh.gradients()
    gc.collect()
    yield fresh
    fresh.engine.reset()  # a part may have left its graph on a tape, where the next trainer's would follow
    gc.unfreeze()


class Parts:
    """The parts of a training step, one by one, in order. A graph lives until ``release``."""

    ORDER = ("forward", "backward", "adam", "release")

    def __init__(self, trainer: Trainer) -> None:
        """``trainer`` is at its first step."""
        self.trainer = trainer
        self.document = trainer.vocabulary.encode(trainer.documents[0])
        self.before = trainer.snapshot()
        self.loss: object = None

    def forward(self) -> None:
        """The loss of the first document, with its graph."""
        self.loss = self.trainer.model.loss(self.document)

    def backward(self) -> None:
        """The gradients of the loss."""
        self.trainer.engine.backward(self.loss)

    def adam(self) -> None:
        """The first update of all weights."""
        self.trainer.optimizer.update(1, self.trainer.config.learning_rate_at(0))

    def release(self) -> None:
        """The end of the graph, or of what the collector does not find later."""
        self.loss = None
        self.trainer.engine.reset()

    def do(self, names: tuple[str, ...]) -> None:
        """Some of them."""
        for name in names:
            getattr(self, name)()


def timed(benchmark, function, setup, rounds=ROUNDS) -> None:  # type: ignore[no-untyped-def]
    """Time ``function`` after one round that is cold."""
    benchmark.pedantic(function, setup=setup, rounds=rounds, warmup_rounds=1)


@pytest.mark.parametrize("part", [pytest.param(name, marks=pytest.mark.benchmark(group=name)) for name in Parts.ORDER])
def test_part(benchmark, trainer, part) -> None:  # type: ignore[no-untyped-def]
    """One part of a step. The others are done outside the clock, so that the collector has to do what it has in a step."""
    parts = Parts(trainer)
    number = Parts.ORDER.index(part)
    parts.do(Parts.ORDER[: number + 1])

    def others() -> None:
        parts.do(Parts.ORDER[number + 1 :])
        trainer.restore(parts.before)
        parts.do(Parts.ORDER[:number])

    timed(benchmark, getattr(parts, part), others)


@pytest.mark.benchmark(group="step")
def test_step(benchmark, trainer) -> None:  # type: ignore[no-untyped-def]
    """The whole step, as a run measures it: the parts, added up."""
    before = trainer.snapshot()
    timed(benchmark, trainer.step, lambda: trainer.restore(before))


@pytest.mark.benchmark(group="generate")
def test_generate(benchmark, trainer) -> None:  # type: ignore[no-untyped-def]
    """A few samples of the untrained model, from the same random numbers each time."""

    def seed() -> None:
        trainer.engine.reset()
        trainer.rng = seeded(trainer.config.rng, trainer.config.seed, trainer.config.gaussian)

    timed(benchmark, lambda: trainer.generate(SAMPLES), seed, rounds=3)
