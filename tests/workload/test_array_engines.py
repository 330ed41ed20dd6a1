"""The engines on arrays and on lists of floats: each op against finite differences, caches in parts, bad input."""

import dataclasses
import functools
import math
import pathlib
import random
import re
import subprocess
import sys

import pytest

import engines
from bench.workload.config import Config
from bench.workload.engine import Parity
from bench.workload.trainer import Trainer

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIBRARIES = ("numpy", "numba", "jax", "torch")
NAMES = (*LIBRARIES, "vector_exact", "vector", "compiled_unordered")


@functools.cache  # what is compiled at its first use is compiled once
def load(name):
    return engines.load(str(ROOT / "engines" / f"{name}.py"))


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in NAMES])
def arrays(request):
    """Each of these engines, skipped with its own words where its library is missing."""
    engine = load(request.param)
    if engine.unavailable:
        pytest.skip(f"{request.param}: {engine.unavailable}")
    yield engine
    engine.reset()


def table(rows, columns, seed=0, size=1.0):
    rng = random.Random(seed)
    return [[rng.gauss(0, size) for _ in range(columns)] for _ in range(rows)]


def close(got, expected):
    """Rows of numbers that agree but for rounding."""
    pairs = [(g, e) for rows in zip(got, expected) for g, e in zip(*rows)]
    return all(math.isclose(g, e, rel_tol=1e-10, abs_tol=1e-14) for g, e in pairs)


# ------------------------------------------------------------------------------ gradients

# What stands before the last product, of two (6, 6) matrices a and b; e is the engine. Inputs are shared on purpose.
GRAPHS = {
    "embedding, a token twice": lambda e, a, b: e.embedding(a, [1, 0, 1, 1]),
    "embedding, positions": lambda e, a, b: e.embedding(a, range(4)),
    "embedding, positions from 2": lambda e, a, b: e.embedding(a, range(2, 5)),
    "embedding, one table twice": lambda e, a, b: e.add(e.embedding(a, [0, 1, 0]), e.embedding(a, range(3))),
    "add": lambda e, a, b: e.add(e.embedding(a, [1, 0, 2]), e.embedding(b, [2, 2, 0])),
    "add to itself": lambda e, a, b: e.add(x := e.embedding(a, [1, 0]), x),
    "residual": lambda e, a, b: e.add(e.linear(x := e.embedding(a, [1, 0]), b), x),
    "linear": lambda e, a, b: e.linear(e.embedding(a, [0, 2]), b),
    "linear, one matrix twice": lambda e, a, b: e.linear(e.linear(e.embedding(a, [0, 2]), b), b),
    "linear, the embedding's table": lambda e, a, b: e.linear(e.embedding(a, [0, 2]), a),
    "rmsnorm": lambda e, a, b: e.rmsnorm(e.embedding(a, range(3))),
    "rmsnorm of small numbers": lambda e, a, b: e.rmsnorm(e.linear(e.embedding(a, [0]), b)),
    "relu": lambda e, a, b: e.relu(e.embedding(a, range(4))),
    "one input, three uses": lambda e, a, b: e.add(
        e.add(e.rmsnorm(x := e.linear(e.embedding(a, [0, 2]), b)), e.relu(x)), x
    ),
    "attention, one head": lambda e, a, b: e.attention(
        e.embedding(a, [0, 1, 2]), [e.embedding(b, [0, 1, 2])], [e.embedding(b, [2, 0, 1])], 1
    ),
    "attention, three heads": lambda e, a, b: e.attention(
        e.embedding(a, [0, 1, 2, 0]), [e.embedding(b, [0, 1, 2, 3])], [e.embedding(b, [2, 0, 1, 4])], 3
    ),
    "attention, one vector for all": lambda e, a, b: e.attention(x := e.linear(e.embedding(a, [3, 4]), b), [x], [x], 2),
    "attention, cache in parts": lambda e, a, b: e.attention(
        e.embedding(a, [0, 1]),
        [x := e.embedding(b, [0, 1]), e.embedding(a, [5]), x],
        [e.embedding(a, [2, 4]), e.embedding(b, [1]), e.embedding(b, [3, 2])],
        2,
    ),
    "attention, parts of other lengths": lambda e, a, b: e.attention(
        e.embedding(a, [0]), [e.embedding(b, [0, 1]), e.embedding(a, [5])], [e.embedding(a, [2, 4, 1])], 2
    ),
}


def loss_of(engine, graph, tables):
    """The loss as a float and the matrices' gradients."""
    a, b, w = (engine.matrix(rows) for rows in tables)
    logits = engine.linear(GRAPHS[graph](engine, a, b), w)
    loss = engine.mean([engine.cross_entropy(logits, [i * 2 % 5 for i in range(len(logits.data))])])
    engine.backward(loss)
    found = float(loss.data), [engine.read_gradients(m) for m in (a, b, w)]
    engine.reset()
    return found


@pytest.mark.parametrize("graph", GRAPHS)
def test_gradients_against_finite_differences(arrays, graph):
    tables = [table(6, 6, 1, 0.7), table(6, 6, 2, 0.7), table(5, 6, 3, 0.7)]
    _, gradients = loss_of(arrays, graph, tables)
    h = 1e-6
    for m in range(3):
        for o in range(len(tables[m])):
            for i in range(6):
                x = tables[m][o][i]
                tables[m][o][i] = x + h
                above, _ = loss_of(arrays, graph, tables)
                tables[m][o][i] = x - h
                below, _ = loss_of(arrays, graph, tables)
                tables[m][o][i] = x
                assert math.isclose(gradients[m][o][i], (above - below) / (2 * h), rel_tol=1e-6, abs_tol=1e-8), (
                    m,
                    o,
                    i,
                )


def test_what_the_loss_does_not_need_gets_no_gradient(arrays):
    a, b, w = arrays.matrix(table(3, 4)), arrays.matrix(table(3, 4, 1)), arrays.matrix(table(2, 4, 2))
    arrays.relu(arrays.linear(arrays.embedding(b, [0]), b))
    arrays.backward(arrays.mean([arrays.cross_entropy(arrays.linear(arrays.embedding(a, [1]), w), [0])]))
    assert arrays.read_gradients(b) == [[0.0] * 4] * 3
    assert any(arrays.read_gradients(a)[1])


def test_gradients_accumulate_until_the_update(arrays):
    x, w = arrays.matrix(table(3, 4)), arrays.matrix(table(2, 4, 1))
    optimizer = arrays.optimizer([x, w], 0.85, 0.99, 1e-8)

    def backward():
        logits = arrays.linear(arrays.embedding(x, [0, 2, 0]), w)
        arrays.backward(arrays.mean([arrays.cross_entropy(logits, [0, 1, 1])]))
        arrays.reset()
        return arrays.read_gradients(x) + arrays.read_gradients(w)

    once = backward()
    assert close(backward(), [[2 * g for g in row] for row in once])
    optimizer.update(1, 0.01)
    assert arrays.read_gradients(x) == [[0.0] * 4] * 3 and arrays.read_gradients(w) == [[0.0] * 4] * 2
    before = optimizer.snapshot()
    first = backward()
    optimizer.restore(before)
    assert backward() == first  # the same bits, so that a repeated step gives the same loss


def test_two_graphs_without_a_reset_between_them(arrays):
    x, w = arrays.matrix(table(3, 4)), arrays.matrix(table(2, 4, 1))

    def backward():
        logits = arrays.linear(arrays.rmsnorm(arrays.embedding(x, [0, 2])), w)
        arrays.backward(arrays.mean([arrays.cross_entropy(logits, [0, 1])]))
        return arrays.read_gradients(w)

    once = backward()
    assert close(backward(), [[2 * g for g in row] for row in once])


# ------------------------------------------------------------------------------ the same model, other ways


def gradients_of(engine, config, documents):
    return [x for rows in Trainer(engine, documents, config).gradients().values() for row in rows for x in row]


@pytest.mark.parametrize("heads", [1, 4])
def test_position_by_position_is_the_same_as_all_at_once(arrays, heads):
    config = Config(n_layer=2, n_head=heads)
    one_by_one = dataclasses.replace(arrays, batched=False)
    several = ["a", "hedge", "longer than one block of it"]
    for document in several[:2] if arrays.name == "jax" else several:  # it compiles each op anew for each position
        expected, got = gradients_of(arrays, config, [document]), gradients_of(one_by_one, config, [document])
        assert all(math.isclose(x, y, rel_tol=1e-9, abs_tol=1e-12) for x, y in zip(got, expected))


@pytest.mark.parametrize("size", [1.0, 1e3, 1e5])
def test_large_logits_do_not_overflow(arrays, size):
    x, target = [[size, -size, 0.5 * size], [-size, 0.0, -size]], [2, 1]
    logits = arrays.embedding(m := arrays.matrix(x), [0, 1])
    if arrays.parity is Parity.BIT_IDENTICAL and (error := reference_fails(x, target)):
        with pytest.raises(type(error), match=re.escape(str(error))):
            arrays.cross_entropy(logits, target)
        return
    loss = arrays.mean([arrays.cross_entropy(logits, target)])
    arrays.backward(loss)
    assert math.isclose(float(loss.data), 0.25 * size + softplus(x), rel_tol=1e-12)
    for row, t, gradients in zip(x, target, arrays.read_gradients(m)):
        total = sum(math.exp(xi - max(row)) for xi in row)
        expected = [(math.exp(xi - max(row)) / total - (i == t)) / 2 for i, xi in enumerate(row)]
        assert all(math.isclose(g, e, rel_tol=1e-12, abs_tol=1e-15) for g, e in zip(gradients, expected))


def reference_fails(x, target):
    """The error that the reference's cross-entropy of these logits ends in, if any: log(0), where it is too large."""
    reference = engines.load("reference")
    try:
        for row, t in zip(x, target):
            reference.cross_entropy([reference.value(xi) for xi in row], t)
    except ValueError as error:
        return error


def softplus(x):
    """What the logarithms of the sums add to the largest logits, meaned over two rows."""
    return sum(math.log(sum(math.exp(xi - max(row)) for xi in row)) for row in x) / 2


def test_a_huge_score_in_the_future_changes_nothing(arrays):
    def attend(last):
        q, kv = arrays.matrix([[1.0, 1.0]]), arrays.matrix([[3.0, 1.0], [-2.0, 0.5], [last, last]])
        cache = arrays.embedding(kv, range(3))
        y = arrays.attention(arrays.embedding(q, [0, 0, 0]), [cache], [cache], 2)
        logits = arrays.linear(y, arrays.matrix([[1.0, 0.0], [0.0, 1.0]]))
        arrays.backward(arrays.mean([arrays.cross_entropy(logits, [0, 1, 0])]))
        found = [[float(x) for x in row] for row in y.data], arrays.read_gradients(kv)
        arrays.reset()
        return found

    (y, _), (huge_y, huge_gradients) = attend(1.0), attend(5e3)
    assert close(huge_y[:2], y[:2])
    assert huge_y[2] == [5e3, 5e3]
    assert all(math.isfinite(g) for row in huge_gradients for g in row)


# ------------------------------------------------------------------------------ bad input


def wrong_calls(e):
    x, w = e.embedding(e.matrix(table(3, 2)), [0, 1]), e.matrix(table(1, 3))
    logits = e.embedding(e.matrix(table(2, 2)), [0, 1])
    wide = e.embedding(w, [0, 0])
    return [
        ("index above", lambda: e.embedding(w, 1)),
        ("index below", lambda: e.embedding(w, [-1])),
        ("positions above", lambda: e.embedding(w, range(2))),
        ("positions below", lambda: e.embedding(w, range(-1, 1))),
        ("add of one position to two", lambda: e.add(x, e.embedding(e.matrix(table(2, 2)), [0]))),
        ("add of other widths", lambda: e.add(x, wide)),
        ("linear of another width", lambda: e.linear(x, w)),
        ("heads that do not divide", lambda: e.attention(x, [x], [x], 3)),
        ("no heads", lambda: e.attention(x, [x], [x], 0)),
        ("no keys", lambda: e.attention(x, [], [], 1)),
        ("keys of another width", lambda: e.attention(x, [wide], [x], 1)),
        ("fewer values", lambda: e.attention(x, [x, x], [x], 1)),
        ("more queries than keys", lambda: e.attention(x, [e.embedding(w, 0)], [e.embedding(w, 0)], 1)),
        ("target above", lambda: e.cross_entropy(logits, [0, 2])),
        ("target below", lambda: e.cross_entropy(logits, [0, -1])),
        ("target that a library ignores", lambda: e.cross_entropy(logits, [0, -100])),
        ("one target for two", lambda: e.cross_entropy(logits, [0])),
        ("mean of none", lambda: e.mean([])),
        ("backward of rows", lambda: e.backward(x)),
        ("no rows", lambda: e.matrix([])),
        ("no columns", lambda: e.matrix([[]])),
        ("ragged", lambda: e.matrix([[1.0], [1.0, 2.0]])),
        ("text", lambda: e.matrix([["a"]])),
        ("temperature 0", lambda: e.probabilities(e.embedding(w, [0]), 0.0)),
        ("probabilities of two", lambda: e.probabilities(x, 1.0)),
    ]


def test_wrong_shapes_and_indices_are_errors(arrays):
    for what, call in wrong_calls(arrays):
        with pytest.raises((ValueError, IndexError, TypeError, RuntimeError, ArithmeticError)):
            print(what, call())


def test_a_nan_in_the_weights_reaches_the_loss(arrays):
    for name in ("wte", "wpe", "lm_head", "layer0.wk"):  # behind a relu it takes a step more: test_contract.py
        trainer = Trainer(arrays, ["abc", "cab"], Config(n_embd=4, n_head=2))
        rows = trainer.weights()[name]
        trainer.model.matrices[name] = arrays.matrix([[math.nan] * len(row) for row in rows])
        assert math.isnan(trainer.step().loss), name


# ------------------------------------------------------------------------------ life


def test_a_reset_leaves_nothing_behind():
    engine = engines.load(str(ROOT / "engines" / "numpy.py"))
    if engine.unavailable:
        pytest.skip(engine.unavailable)
    tape = engine.reset.__self__
    trainer = Trainer(engine, ["abc", "cab"])
    trainer.step()
    trainer.generate(2)
    assert tape == []


def test_weights_made_one_by_one_become_one_array():
    engine = engines.load(str(ROOT / "engines" / "numpy.py"))
    if engine.unavailable:
        pytest.skip(engine.unavailable)
    trainer = Trainer(engine, ["abc", "cab"])
    matrices, optimizer = list(trainer.model.matrices.values()), trainer.optimizer
    assert sum(m.data.size for m in matrices) == optimizer.data.size
    assert all(m.data.base is optimizer.data and m.grad.base is optimizer.grad for m in matrices)


@pytest.mark.parametrize("name", LIBRARIES)
def test_without_the_library_the_file_imports_and_says_what_to_do(name):
    code = (
        "import sys; sys.modules[sys.argv[1]] = None; import engines\n"
        "engine = engines.load(sys.argv[2]); print(engine.unavailable)\n"
        "from bench.workload.trainer import Trainer\n"
        "try: Trainer(engine, ['abc'])\n"
        "except engines.EngineUnavailable as error: print(error)\n"
    )
    path = ROOT / "engines" / f"{name}.py"
    done = subprocess.run(
        [sys.executable, "-c", code, name, str(path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    reason, refused = done.stdout.splitlines()
    assert f"python -m pip install {name}" in reason
    assert refused == f"engine {name} cannot run here: {reason}"
