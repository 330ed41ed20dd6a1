"""The engine that writes its own source: bits, gradients, what is generated and how often, large shapes, bad input."""

import ast
import dataclasses
import itertools
import math
import random

import pytest

from bench.workload.config import Config
from bench.workload.trainer import Trainer
from engines import compiled, compiled_unordered, source_writing, written_products
from engines.compiled import ENGINE as E


def forget(*modules):
    """Every function that was generated and everything else that is kept."""
    for module in modules:
        for kept in vars(module).values():
            getattr(kept, "cache_clear", int)()
        module.GENERATED.clear()


def cut(monkeypatch, module, **sizes):
    """Change the sizes that decide how source is cut, in the engine and in what it shares."""
    for name, value in sizes.items():
        for place in (module, written_products):
            if name in vars(place):
                monkeypatch.setattr(place, name, value)


@pytest.fixture(autouse=True)
def clean():
    E.reset()
    yield
    E.reset()


@pytest.fixture
def fresh(monkeypatch):
    """Nothing generated yet; gives the names compiled since, in order."""
    forget(compiled, written_products)
    order = []

    def counting(text, name, mode):
        order.append(name[len("<generated ") : -1])
        return compile(text, name, mode)

    monkeypatch.setattr(source_writing, "compile", counting, raising=False)
    yield order
    forget(compiled, written_products)


@pytest.fixture
def unordered():
    """The engine without an order of operations, with nothing generated before or after."""
    forget(compiled_unordered, written_products)
    yield compiled_unordered
    forget(compiled_unordered, written_products)


def table(rows, columns, seed=0, size=1.0):
    rng = random.Random(seed)
    return [[rng.gauss(0, size) for _ in range(columns)] for _ in range(rows)]


# ------------------------------------------------------------------------------ the reference's bits


def compare(config, documents, steps, samples=4):
    """With an engine that has the reference's bits, which other tests hold both against, and takes a hundredth of its time."""
    ours, theirs = Trainer(E, documents, config), Trainer("vector_exact", documents, config)
    assert ours.gradients() == theirs.gradients()
    for _ in range(steps):
        a, b = ours.step(), theirs.step()
        assert a.loss == b.loss, f"step {a.step}, {a.document!r}"
    assert ours.weights() == theirs.weights()
    assert ours.generate(samples) == theirs.generate(samples)


@pytest.mark.parametrize(
    "sizes",
    [
        {},
        {"n_embd": 6, "n_head": 3},
        {"n_embd": 1, "n_head": 1},
        {"n_embd": 4, "n_head": 4, "n_layer": 2},
        {"n_embd": 8, "n_head": 2, "block_size": 1},
        {"n_embd": 5, "n_head": 1, "block_size": 3, "n_layer": 3},
        {"n_embd": 12, "n_head": 2, "block_size": 40},
    ],
    ids=str,
)
def test_bit_identical_with_the_reference(sizes):
    documents = ["hedge", "a", "bad", "feedback and a long one", "cabbage", "", "deface"]
    compare(Config(**sizes), documents, 7)


def test_bit_identical_in_a_wide_model():
    compare(Config(n_embd=72, n_head=1, block_size=24), ["a document that is longer than the block", "b"], 2)


def test_bit_identical_with_a_vocabulary_of_two():
    compare(Config(n_embd=8, n_head=2), ["a", "aaa", "aaaaa"], 4)


@pytest.mark.parametrize("tile, wide, block", [(16, 1, 1), (16, 16, 2), (40, 5, 3), (100_000, 1_000, 16)])
def test_bit_identical_however_it_is_cut(monkeypatch, fresh, tile, wide, block):
    cut(monkeypatch, compiled, TILE=tile, WIDE=wide, BLOCK=block)
    compare(Config(n_embd=6, n_head=2, n_layer=2), ["hedge", "a", "deface a facade, feedback"], 4)


@pytest.mark.parametrize("tile, wide, block", [(16, 1, 1), (16, 16, 2), (40, 5, 3), (100_000, 1_000, 16)])
@pytest.mark.parametrize("long", [2, 1_000])
def test_any_order_is_right_however_it_is_cut(monkeypatch, unordered, tile, wide, block, long):
    """Rows and products written out, in parts and in loops, and sums of many and of few terms by a library."""
    cut(monkeypatch, unordered, TILE=tile, WIDE=wide, BLOCK=block, LONG=long)
    documents, config = ["hedge", "a", "deface a facade, feedback"], Config(n_embd=6, n_head=2, n_layer=2)
    ours, theirs = (Trainer(engine, documents, config) for engine in (unordered.ENGINE, "reference"))
    for _ in range(4):
        assert abs(ours.step().loss - theirs.step().loss) <= 1e-12


@pytest.mark.parametrize("betas", [(0.85, 0.99), (0.0, 0.0), (0.0, 0.99), (0.5, 0.001)])
@pytest.mark.parametrize("width", [3, 70])
def test_lazy_moments_are_the_moments(betas, width):
    """They take in what has decayed before it is lost: each step where a beta is 0, every 34 where it is 0.001."""
    rng = random.Random(7)
    ours, theirs = (module.Matrix(table(72, width)) for module in (compiled_unordered, compiled))
    optimizers = [module.Adam([w], *betas, 1e-8) for module, w in ((compiled_unordered, ours), (compiled, theirs))]
    for t in range(1, 121):
        # three lines have a gradient now and then, the others never
        grad = [rng.choice([None, tuple(row)]) for row in table(3, width, t)] + [None] * 69
        for w, optimizer in zip((ours, theirs), optimizers):
            w.gather(grad)
            optimizer.update(t, 0.01)
    for row, expected in zip(ours.rows, theirs.rows):
        assert all(math.isclose(x, y, rel_tol=1e-9) for x, y in zip(row, expected))


def test_after_the_first_moments_correction_is_spent():
    ours = Trainer(E, ["ab", "b"], Config(n_embd=2, n_head=1))
    theirs = Trainer("reference", ["ab", "b"], Config(n_embd=2, n_head=1))
    for _ in range(280):
        assert ours.step().loss == theirs.step().loss
    assert "adam_2_corrected" in compiled.generated()
    assert ours.weights() == theirs.weights()


def test_without_epsilon_a_weight_without_a_gradient_is_an_error_as_in_the_reference():
    for engine in (E, "reference"):
        with pytest.raises(ZeroDivisionError):
            Trainer(engine, ["ab", "ba"], Config(n_embd=2, n_head=1, eps=0.0)).step()


def test_a_restored_step_gives_the_same_bits():
    trainer = Trainer(E, ["abc", "cab", "ba"])
    trainer.step()
    before = trainer.snapshot()
    first = [trainer.step().loss for _ in range(3)], trainer.weights()
    trainer.restore(before)
    assert ([trainer.step().loss for _ in range(3)], trainer.weights()) == first


# ------------------------------------------------------------------------------ what is generated


def train(config, documents, steps):
    trainer = Trainer(E, documents, config)
    for _ in range(steps):
        trainer.step()
    return trainer


def test_each_shape_is_compiled_once(fresh):
    documents = ["abcdefg", "gfedcba"]
    train(Config(), documents, 6)
    assert len(fresh) == len(set(fresh)) == len(compiled.generated())
    trainer = train(Config(seed=1), documents, 0)
    before = len(fresh)
    trainer.model.loss(trainer.vocabulary.encode("abcdefg"))
    assert len(fresh) - before <= 4  # other numbers behind the relu may need another number of terms, and no more


def test_every_text_is_valid_and_readable(fresh):
    train(Config(n_embd=8, n_head=2), ["abcdefg", "g"], 3)
    texts = compiled.generated()
    assert {name.split("_")[0] for name in texts} >= {"product", "combination", "attend", "adam"}
    for name, text in texts.items():
        (function,) = ast.parse(text).body
        assert isinstance(function, ast.FunctionDef) and function.name == name
        assert max(map(len, text.splitlines())) < 400
        assert compiled.source(name) == text
    assert compiled.source("product_4_8_width").startswith("def product_4_8_width(factors, lines):\n")
    assert "f0 * v0_0 + f1 * v0_1 + f2 * v0_2" in compiled.source("product_4_8_width")
    texts.clear()
    assert compiled.generated()


def test_an_unknown_name_is_answered_with_those_there_are(fresh):
    with pytest.raises(KeyError, match="so far there are: none"):
        compiled.source("product_9_9_width")
    compiled.dots(3)
    with pytest.raises(KeyError, match="so far there are: dots_3"):
        compiled.source("product_9_9_width")


def test_large_shapes_are_cut(fresh):
    """No text grows with the matrices, and there are not many."""
    factors, vectors = table(300, 90), table(90, 200)
    compiled.mix(factors, vectors)
    compiled.multiply(vectors, table(20, 200))
    compiled.combine(factors, vectors)
    compiled.multiply(table(33, 1000), table(20, 1000))
    assert max(map(len, compiled.generated().values())) < 20_000
    assert len(compiled.generated()) < 20


def test_generated_text_stays_small(fresh):
    documents = ["hedge", "deface", "feedback", "a", "cabbage"]
    train(Config(), documents, 5)
    small = sum(map(len, compiled.generated().values()))
    assert small < 250_000
    fresh.clear()
    trainer = Trainer(E, documents, Config(n_embd=64, n_layer=4))
    trainer.step()
    assert len(fresh) < 40 and sum(len(compiled.source(name)) for name in fresh) < 250_000


# ------------------------------------------------------------------------------ the primitives


def left_to_right(terms):
    total = 0.0
    for term in terms:
        total += term
    return total


@pytest.mark.parametrize("sets, terms, n", [*itertools.product((1, 3, 9), (1, 2, 17, 65), (1, 4, 16, 33, 70))])
def test_products_are_sums_from_left_to_right(sets, terms, n):
    factors, vectors = table(sets, terms, 1), table(terms, n, 2)
    expected = [tuple(left_to_right(f * v[i] for f, v in zip(row, vectors)) for i in range(n)) for row in factors]
    assert compiled.mix(factors, vectors) == expected
    assert compiled.multiply(factors, list(zip(*vectors))) == expected
    assert compiled.combine(factors, vectors) == expected


def test_combine_passes_over_zeros():
    vectors = table(40, 3)
    factors = [[0.0] * 40, [0.0] * 39 + [2.0], [float(i % 3) for i in range(40)]]
    none, one, many = compiled.combine(factors, vectors)
    assert none is None
    assert one == tuple(2.0 * x for x in vectors[39])
    assert many == tuple(left_to_right(f * v[i] for f, v in zip(factors[2], vectors) if f) for i in range(3))


@pytest.mark.parametrize("n, most", [(1, 1), (7, 4), (8, 4), (9, 4), (100, 16)])
def test_pieces(n, most):
    parts = written_products.pieces(n, most)
    assert [i for part in parts for i in range(n)[part]] == list(range(n))
    sizes = {part.stop - part.start for part in parts}
    assert max(sizes) <= most and max(sizes) - min(sizes) <= 1
    assert len(parts) == -(-n // most)


# ------------------------------------------------------------------------------ gradients

# What stands before the last product, of two (6, 6) matrices a and b. Inputs are shared on purpose.
GRAPHS = {
    "embedding, a token twice": lambda a, b: E.embedding(a, [1, 0, 1, 1]),
    "embedding, one table twice": lambda a, b: E.add(E.embedding(a, [0, 1, 0]), E.embedding(a, range(3))),
    "add to itself": lambda a, b: E.add(x := E.embedding(a, [1, 0]), x),
    "residual": lambda a, b: E.add(E.linear(x := E.embedding(a, [1, 0]), b), x),
    "linear, one matrix twice": lambda a, b: E.linear(E.linear(E.embedding(a, [0, 2]), b), b),
    "linear, the embedding's table": lambda a, b: E.linear(E.embedding(a, [0, 2]), a),
    "rmsnorm": lambda a, b: E.rmsnorm(E.embedding(a, range(3))),
    "relu": lambda a, b: E.relu(E.embedding(a, range(4))),
    "softmax": lambda a, b: E.softmax(E.linear(E.embedding(a, range(4)), b)),
    "one input, three uses": lambda a, b: E.add(
        E.add(E.rmsnorm(x := E.linear(E.embedding(a, [0, 2]), b)), E.relu(x)), x
    ),
    "behind a relu, two linears": lambda a, b: E.add(
        E.linear(x := E.relu(E.embedding(a, [0, 2, 3])), b), E.linear(x, a)
    ),
    "behind a relu, a linear and others": lambda a, b: E.add(
        E.add(E.rmsnorm(x := E.relu(E.linear(E.embedding(a, [0, 2, 3]), b))), E.linear(x, b)), x
    ),
    "attention, three heads": lambda a, b: E.attention(
        E.embedding(a, [0, 1, 2, 0]), [E.embedding(b, [0, 1, 2, 3])], [E.embedding(b, [2, 0, 1, 4])], 3
    ),
    "attention, one vector for all": lambda a, b: E.attention(x := E.linear(E.embedding(a, [3, 4]), b), [x], [x], 2),
    "attention, all from one vector": lambda a, b: E.attention(
        E.linear(x := E.embedding(a, [3, 4, 1]), b), [E.linear(x, a)], [E.linear(x, b)], 2
    ),
    "attention, cache in parts": lambda a, b: E.attention(
        E.embedding(a, [0, 1]),
        [x := E.embedding(b, [0, 1]), E.embedding(a, [5]), x],
        [E.embedding(a, [2, 4]), E.embedding(b, [1]), E.embedding(b, [3, 2])],
        2,
    ),
    "attention, parts of other lengths": lambda a, b: E.attention(
        E.embedding(a, [0]), [E.embedding(b, [0, 1]), E.embedding(a, [5])], [E.embedding(a, [2, 4, 1])], 2
    ),
}


def mlp(a, b):
    """A wide layer behind a relu, as the model has it: its second matrix is kept by column."""
    up, down = Wide.up, Wide.down
    return E.linear(E.relu(E.linear(E.embedding(a, [0, 2, 1]), up)), down)


class Wide:
    up, down = E.matrix(table(24, 6, 5)), E.matrix(table(6, 24, 6))
    wide, tall = E.matrix(table(3, 8, 7)), E.matrix(table(6, 8, 8))


GRAPHS["a wide layer behind a relu"] = mlp
GRAPHS["embedding of a table kept by column"] = lambda a, b: E.linear(E.embedding(Wide.wide, [1, 0, 1]), Wide.tall)


def loss_of(graph, tables):
    """The loss as a float and the matrices' gradients."""
    a, b, up, down, wide, tall, w = (E.matrix(rows) for rows in tables)
    Wide.up, Wide.down, Wide.wide, Wide.tall = up, down, wide, tall
    logits = E.linear(GRAPHS[graph](a, b), w)
    loss = E.mean([E.cross_entropy(logits, [i * 2 % 5 for i in range(len(logits.data))])])
    E.backward(loss)
    found = loss.data, [E.read_gradients(m) for m in (a, b, up, down, wide, tall, w)]
    E.reset()
    return found


@pytest.mark.parametrize("graph", GRAPHS)
def test_gradients_against_finite_differences(graph):
    sizes = [(6, 6), (6, 6), (24, 6), (6, 24), (3, 8), (6, 8), (5, 6)]
    tables = [table(*size, seed, 0.7) for seed, size in enumerate(sizes)]
    _, gradients = loss_of(graph, tables)
    h = 1e-6
    for m, (rows, found) in enumerate(zip(tables, gradients)):
        assert [len(rows), {len(row) for row in rows}] == [len(found), {len(row) for row in found}]
        for o, row in enumerate(rows):
            for i, x in enumerate(row):
                if m not in (0, 1, 6) and (o + i) % 3:
                    continue  # a third of the large ones
                row[i] = x + h
                above, _ = loss_of(graph, tables)
                row[i] = x - h
                below, _ = loss_of(graph, tables)
                row[i] = x
                assert math.isclose(found[o][i], (above - below) / (2 * h), rel_tol=1e-6, abs_tol=1e-8), (m, o, i)


def test_what_the_loss_does_not_need_gets_no_gradient():
    a, b, w = E.matrix(table(3, 4)), E.matrix(table(4, 4, 1)), E.matrix(table(2, 4, 2))
    E.relu(E.linear(E.embedding(b, [0]), b))
    E.backward(E.mean([E.cross_entropy(E.linear(E.embedding(a, [1]), w), [0])]))
    assert E.read_gradients(b) == [[0.0] * 4] * 4
    assert any(E.read_gradients(a)[1]) and not any(E.read_gradients(a)[0])


def test_gradients_accumulate_until_the_update():
    x, w = E.matrix(table(3, 4)), E.matrix(table(2, 4, 1))
    optimizer = E.optimizer([x, w], 0.85, 0.99, 1e-8)

    def backward():
        E.backward(E.mean([E.cross_entropy(E.linear(E.embedding(x, [0, 2, 0]), w), [0, 1, 1])]))
        E.reset()
        return E.read_gradients(x) + E.read_gradients(w)

    once = backward()
    assert backward() == [[2 * g for g in row] for row in once]
    optimizer.update(1, 0.01)
    assert E.read_gradients(x) == [[0.0] * 4] * 3 and E.read_gradients(w) == [[0.0] * 4] * 2


@pytest.mark.parametrize("heads", [1, 4])
def test_position_by_position_is_the_same_as_all_at_once(heads):
    config = Config(n_layer=2, n_head=heads)
    one_by_one = dataclasses.replace(E, batched=False)
    for document in ("a", "hedge", "longer than one block of it"):
        expected, got = (Trainer(e, [document], config).gradients() for e in (E, one_by_one))
        for name in expected:
            for xs, ys in zip(got[name], expected[name]):
                assert all(math.isclose(x, y, rel_tol=1e-9, abs_tol=1e-12) for x, y in zip(xs, ys))


# ------------------------------------------------------------------------------ bad input and life


def wrong_calls():
    x, w = E.embedding(E.matrix(table(3, 2)), [0, 1]), E.matrix(table(1, 3))
    logits = E.embedding(E.matrix(table(2, 2)), [0, 1])
    wide = E.embedding(w, [0, 0])
    return {
        "index above": lambda: E.embedding(w, 1),
        "index below": lambda: E.embedding(w, [-1]),
        "positions above": lambda: E.embedding(w, range(2)),
        "no positions": lambda: E.embedding(w, []),
        "add of one position to two": lambda: E.add(x, E.embedding(E.matrix(table(2, 2)), [0])),
        "add of other widths": lambda: E.add(x, wide),
        "linear of another width": lambda: E.linear(x, w),
        "heads that do not divide": lambda: E.attention(x, [x], [x], 3),
        "no heads": lambda: E.attention(x, [x], [x], 0),
        "no keys": lambda: E.attention(x, [], [], 1),
        "keys of another width": lambda: E.attention(x, [wide], [x], 1),
        "fewer values": lambda: E.attention(x, [x, x], [x], 1),
        "more queries than keys": lambda: E.attention(x, [E.embedding(w, 0)], [E.embedding(w, 0)], 1),
        "target above": lambda: E.cross_entropy(logits, [0, 2]),
        "target below": lambda: E.cross_entropy(logits, [0, -1]),
        "one target for two": lambda: E.cross_entropy(logits, [0]),
        "mean of none": lambda: E.mean([]),
        "backward of rows": lambda: E.backward(x),
        "no rows": lambda: E.matrix([]),
        "no columns": lambda: E.matrix([[]]),
        "ragged": lambda: E.matrix([[1.0], [1.0, 2.0]]),
        "text": lambda: E.matrix([["a"]]),
        "temperature 0": lambda: E.probabilities(E.embedding(w, [0]), 0.0),
        "probabilities of two": lambda: E.probabilities(x, 1.0),
    }


@pytest.mark.parametrize("what", wrong_calls())
def test_wrong_shapes_and_indices_are_errors(what):
    with pytest.raises((ValueError, IndexError, TypeError, ArithmeticError)):
        print(wrong_calls()[what]())


def test_a_nan_in_the_weights_reaches_the_loss():
    for name in ("wte", "wpe", "lm_head", "layer0.wk", "layer0.wv"):
        trainer = Trainer(E, ["abc", "cab"], Config(n_embd=4, n_head=2))
        trainer.model.matrices[name] = E.matrix([[math.nan] * len(row) for row in trainer.weights()[name]])
        assert math.isnan(trainer.step().loss), name


def test_a_reset_leaves_nothing_behind():
    trainer = Trainer(E, ["abc", "cab"])
    trainer.step()
    trainer.generate(2)
    assert compiled.TAPE == []
