"""The ladder of models: each learns, each engine trains each alike, hand-made gradients are right."""

import doctest
import functools
import math

import pytest

from bench.workload import ladder
from bench.workload.config import Config, WorkloadError
from tests.workload.test_model import DOCUMENTS, near

SMALL = Config(n_embd=8, n_head=2, block_size=6, schedule_steps=200)
TRAINED = [name for name in ladder.CLASSES if name != "bigram"]


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("model", ladder.MODELS)
def test_each_model_learns(model, optimizer):
    if optimizer == "sgd" and model in ("bigram", "gpt"):
        with pytest.raises(WorkloadError, match=r"leave .* (out|models)"):
            ladder.make(model, "vector", DOCUMENTS, SMALL, optimizer)
        return
    rung = ladder.make(model, "vector", DOCUMENTS, SMALL, optimizer)
    uniform = math.log(len(rung.vocabulary))
    steps = [rung.step() for _ in range(160)]
    assert [step.step for step in steps] == list(range(1, 161))
    assert steps[0].loss == pytest.approx(uniform, abs=0.2)
    assert sum(step.loss for step in steps[-8:]) / 8 < 0.9 * uniform
    drawn = rung.generate(4)
    assert len(drawn) == 4 and all(len(text) <= 6 for text in drawn)


@functools.cache
def run(engine, model, optimizer):
    """Losses of a few steps, the weights after them and a token's probabilities; the reference's are made once."""
    config = Config(n_embd=8, n_head=2, n_layer=2, block_size=6, schedule_steps=60)
    rung = ladder.make(model, engine, DOCUMENTS, config, optimizer)
    losses = [rung.step().loss for _ in range(4)]
    weights = [x for rows in rung.weights().values() for row in rows for x in row]
    return losses, weights, rung.probabilities([rung.vocabulary.bos, 1, 2], 0.7)


@pytest.mark.parametrize("model", ["mlp", "attention", "multi_head"])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_engines_train_each_model_alike(engine, model, optimizer):
    expected, got = (run(name, model, optimizer) for name in ("reference", engine.name))
    for numbers, others, most in zip(got, expected, (1e-12, 1e-10, 1e-10)):
        assert near(numbers, others, most)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_gradients_by_hand_train_as_an_autograd_does(optimizer):
    manual, automatic = (ladder.make(name, "reference", DOCUMENTS, SMALL, optimizer) for name in ("mlp_manual", "mlp"))
    for _ in range(12):
        assert abs(manual.step().loss - automatic.step().loss) <= 1e-12


def test_gradients_by_hand_are_those_of_finite_differences():
    rung = ladder.make("mlp_manual", documents=DOCUMENTS, config=Config(n_embd=3, n_head=1, block_size=6, init_std=0.5))
    tokens = rung.vocabulary.encode("decade")
    _, gradients = rung.gradients(tokens)
    for name, rows in rung.w.items():
        for row, found in zip(rows, gradients[name]):
            for i, x in enumerate(row):
                losses = []
                for h in (1e-6, -1e-6):
                    row[i] = x + h
                    losses.append(rung.gradients(tokens)[0])
                row[i] = x
                assert found[i] == pytest.approx((losses[0] - losses[1]) / 2e-6, abs=1e-7)


def test_many_heads_are_the_gpt_without_its_perceptrons():
    """With fc2 at zero a perceptron adds nothing: the same weights then give the same losses."""
    config = Config(n_embd=8, n_head=2, n_layer=2, block_size=6)
    rung = ladder.make("multi_head", "reference", DOCUMENTS, config)
    gpt = ladder.make("gpt", "reference", DOCUMENTS, config)
    names = {"wte": "E", "wpe": "P", "lm_head": "U"}
    names.update({f"layer{i}.w{name}": f"{name.upper()}{i}" for i in range(2) for name in "qkvo"})
    weights = rung.weights()
    for name, matrix in gpt.model.matrices.items():
        rows = weights[names[name]] if name in names else [[0.0] * len(row) for row in matrix]
        gpt.model.matrices[name] = gpt.engine.matrix(rows)
    for document in DOCUMENTS[:4]:
        tokens = gpt.vocabulary.encode(document)
        assert gpt.model.loss(tokens).data == pytest.approx(rung.evaluate([document]), abs=1e-12)


@pytest.mark.parametrize("model", ladder.CLASSES)
def test_temperature_divides_log_probabilities_on_every_rung(model):
    rung = ladder.make(model, "vector", DOCUMENTS, SMALL)
    for _ in range(5):
        rung.step()
    tokens = [rung.vocabulary.bos, 1]
    powers = [p ** (1 / 0.5) for p in rung.probabilities(tokens, 1.0)]
    assert rung.probabilities(tokens, 0.5) == pytest.approx([power / sum(powers) for power in powers], abs=1e-12)


@pytest.mark.parametrize("model", ladder.CLASSES)
def test_the_cold_on_every_rung(model):
    rung = ladder.make(model, "vector", DOCUMENTS * 20, SMALL)
    for _ in range(100):
        rung.step()
    assert len(set(rung.generate(3, temperature=1e-6))) == 1  # the most probable each time
    with pytest.raises(WorkloadError, match="temperature is 0"):
        rung.generate(1, temperature=0)


def test_counts_give_what_can_be_worked_out_on_paper():
    rung = ladder.make("bigram", documents=["ab"])
    assert rung.step().loss == pytest.approx(math.log(3))  # a, b and the end are as probable
    assert rung.step().loss == pytest.approx(math.log(2))  # each pair was seen once, one added: 2 of 4
    assert rung.probabilities([2], 1.0) == pytest.approx([3 / 5, 1 / 5, 1 / 5])
    assert rung.probabilities([2], 0.5) == pytest.approx([9 / 11, 1 / 11, 1 / 11])
    assert rung.evaluate(["ab"]) == pytest.approx(-math.log(3 / 5))


@pytest.mark.parametrize("model", TRAINED)
def test_evaluation_is_the_training_loss_before_a_step(model):
    rung = ladder.make(model, "vector", DOCUMENTS, SMALL)
    document = rung.documents[0]
    before = rung.weights()
    expected = rung.evaluate([document])
    assert rung.weights() == before
    assert rung.step().loss == pytest.approx(expected, rel=1e-12)


def test_what_does_not_go_together():
    with pytest.raises(WorkloadError, match="no model 'rnn': choose from bigram"):
        ladder.make("rnn")
    with pytest.raises(WorkloadError, match="no optimizer 'lion'"):
        ladder.make("mlp", optimizer="lion")
    with pytest.raises(WorkloadError, match="no documents"):
        ladder.make("mlp", documents=[])


def test_examples_run():
    found = doctest.testmod(ladder)
    assert found.failed == 0 and found.attempted == 2
