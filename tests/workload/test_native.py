"""The engine `native`: bit-identical with the reference, and no way to harm the process with it."""

import dataclasses
import math
import os
import pathlib
import random
import re
import struct
import subprocess
import sys
import sysconfig
import types

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import engines
from bench.workload.adam import Adam
from bench.workload.config import Config
from bench.workload.trainer import Trainer

ROOT = pathlib.Path(__file__).resolve().parents[2]
ENGINE_FILE = ROOT / "engines" / "native.py"
NATIVE = engines.load(str(ENGINE_FILE))
core = sys.modules.get("_microgpt_native")
needs_core = pytest.mark.skipif(bool(NATIVE.unavailable), reason=f"native: {NATIVE.unavailable}")
needs_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@pytest.fixture(autouse=True)
def clean_tape():
    yield
    if core:
        core.reset()
        core.use_kernels(core.list_kernels()[-1])


def made_up(count, alphabet="abcdefghij", longest=9, seed=0):
    rng = random.Random(seed)
    return ["".join(rng.choice(alphabet) for _ in range(rng.randint(1, longest))) for _ in range(count)]


def same(a, b):
    return a == b or (a != a and b != b)


def flat(matrices):
    return [x for rows in matrices.values() for row in rows for x in row]


def differing(a, b):
    """Names of the matrices that do not agree to the last bit."""
    return [name for name in a if any(not same(x, y) for x, y in zip(flat({0: a[name]}), flat({0: b[name]})))]


def assert_same_training(engine, other, documents, config, steps):
    ours, theirs = Trainer(engine, documents, config), Trainer(other, documents, config)
    for step in range(steps):
        assert differing(ours.gradients(), theirs.gradients()) == [], f"gradients of step {step + 1}"
        assert same(ours.step().loss, theirs.step().loss), f"loss of step {step + 1}"
    assert differing(ours.weights(), theirs.weights()) == []


# ------------------------------------------------------------------------------ the bits


@needs_core
def test_the_first_steps_are_the_references():
    assert_same_training(NATIVE, "reference", made_up(10), Config(), 4)


@st.composite
def configurations(draw):
    heads, size = draw(st.integers(1, 4)), draw(st.integers(1, 8))
    return Config(
        n_layer=draw(st.integers(1, 3)),
        n_head=heads,
        n_embd=heads * size,
        block_size=draw(st.integers(1, 32)),
        init_std=draw(st.sampled_from([0.02, 0.08, 0.3])),
        seed=draw(st.integers(0, 99)),
    )


# `vector_exact` has the reference's bits, at any depth; vocabularies have 2 to 60 tokens with BOS
@needs_core
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    config=configurations(),
    characters=st.integers(1, 59),
    longest=st.sampled_from([1, 2, 5, 40]),
    seed=st.integers(0, 99),
)
@example(config=Config(n_layer=2, n_head=3, n_embd=24, block_size=4), characters=59, longest=40, seed=0)
@example(config=Config(n_layer=1, n_head=1, n_embd=1, block_size=1), characters=1, longest=1, seed=0)
def test_any_configuration_is_the_references(config, characters, longest, seed):
    alphabet = [chr(0x100 + i) for i in range(characters)]
    assert_same_training(NATIVE, "vector_exact", made_up(4, alphabet, longest, seed), config, 3)


@needs_core
def test_position_by_position_is_the_same_as_all_at_once():
    # the ops take one position too, and then attention gets its cache in parts
    one_by_one = dataclasses.replace(NATIVE, batched=False)
    for heads in (1, 4):
        config = Config(n_layer=2, n_head=heads)
        assert_same_training(one_by_one, "vector_exact", ["a", "hedge"], config, 2)


@needs_core
def test_every_vector_width_gives_the_same_bits():
    found = []
    for name in core.list_kernels():
        core.use_kernels(name)
        trainer = Trainer(NATIVE, made_up(20), Config(n_layer=2, n_embd=20))
        found.append(([trainer.step().loss for _ in range(20)], trainer.weights()))
    assert all(each == found[0] for each in found)
    with pytest.raises(ValueError, match="no kernels 'wider'"):
        core.use_kernels("wider")


magnitudes = st.one_of(
    st.sampled_from([0.0, 5e-324, 1e-308, 1e-200, 1e-160, 2.0**-39, 2.0**-40, 1e-8, 1.0, 1e30, 1e150, 1e300]),
    st.floats(0, 10, width=32),
    st.floats(1e-13, 1e-3),
)


@needs_core
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    gradients=st.lists(magnitudes, min_size=16, max_size=16),
    moments=st.lists(magnitudes, min_size=64, max_size=64),
    t=st.integers(1, 2000),
    eps=st.sampled_from([1e-8, 0.0]),
    seed=st.integers(0, 9999),
)
def test_adam_is_the_references(gradients, moments, t, eps, seed):
    rng = random.Random(seed)
    gradients = [g * rng.uniform(-1, 1) for g in gradients]
    first = [m * rng.uniform(-1, 1) for m in moments[:32]]
    second = [m * rng.random() for m in moments[32:]]
    weights = core.matrix([[0.0] * 16] * 2)
    ours = core.Adam([weights], 0.85, 0.99, eps)
    ours.restore(struct.pack("96d", *[0.0] * 32, *first, *second))
    # equal logits: half of x is the gradient of one row, minus half that of the other
    logits = core.linear(core.embedding(core.matrix([[2 * g for g in gradients]]), 0), weights)
    core.backward(core.mean([core.cross_entropy(logits, 0)]))

    class Leaf:
        def __init__(self, grad):
            self.data, self.grad = 0.0, grad

    rows = [[Leaf(g) for g in row] for row in core.read_gradients(weights)]
    theirs = Adam([rows], 0.85, 0.99, eps)
    theirs.m, theirs.v = first[:], second[:]
    core.reset()
    try:
        theirs.update(t, 0.01)
    except ArithmeticError:  # a square too large or a division by zero, whichever number comes first
        with pytest.raises(ArithmeticError):
            ours.update(t, 0.01)
        return
    ours.update(t, 0.01)
    expected = [leaf.data for row in rows for leaf in row] + theirs.m + theirs.v
    assert list(map(repr, struct.unpack("96d", ours.snapshot()))) == list(map(repr, expected))


@needs_core
@pytest.mark.parametrize("t", [1, 2, 17, 400, 5000])
def test_adam_over_numbers_of_all_sizes_on_every_vector_width(t):
    """Where processors can, no root and only one quotient is taken by the instruction for it."""
    rng, n = random.Random(t), 1000

    def any_size():
        exponent = rng.uniform(-rng.choice([5, 30, 300]), 0)
        return rng.choice([0.0, -0.0, *[rng.uniform(-1, 1) * 10**exponent] * 18])

    x = core.matrix([[any_size() for _ in range(n)]])
    data, first, second = ([any_size() for _ in range(2 * n)] for _ in range(3))
    second = list(map(abs, second))
    weights = core.matrix([[0.0] * n] * 2)
    ours = core.Adam([weights], 0.85, 0.99, 1e-8)
    for name in core.list_kernels():
        core.use_kernels(name)
        ours.restore(struct.pack(f"{6 * n}d", *data, *first, *second))
        core.backward(core.mean([core.cross_entropy(core.linear(core.embedding(x, 0), weights), 0)]))
        core.reset()
        gradients = [g for row in core.read_gradients(weights) for g in row]
        parameters = [types.SimpleNamespace(data=d, grad=g) for d, g in zip(data, gradients)]
        theirs = Adam([[parameters]], 0.85, 0.99, 1e-8)
        theirs.m, theirs.v = first[:], second[:]
        theirs.update(t, 0.01)
        ours.update(t, 0.01)
        expected = [p.data for p in parameters] + theirs.m + theirs.v
        assert list(map(repr, struct.unpack(f"{6 * n}d", ours.snapshot()))) == list(map(repr, expected)), name


@needs_core
def test_pow_is_asked_where_it_differs_from_the_square():
    rng = random.Random(5)
    differs = [x for x in (rng.uniform(1e-4, 1e-2) for _ in range(20_000)) if x**2 != x * x][:8]
    if not differs:
        pytest.skip("this C library's pow rounds as a product does")
    weights = core.matrix([[0.0] * 8] * 2)
    adam = core.Adam([weights], 0.0, 0.0, 1e-8)
    logits = core.linear(
        core.embedding(core.matrix([[2 * x for x in differs] + [0.0] * (8 - len(differs))]), 0), weights
    )
    core.backward(core.mean([core.cross_entropy(logits, 0)]))
    adam.update(1, 0.0)
    second = struct.unpack("48d", adam.snapshot())[32:]
    assert list(second[: len(differs)]) == [x**2 for x in differs]


# ------------------------------------------------------------------------------ gradients


def loss_of(build, tables):
    """The number of build(matrices) and the gradients of all matrices."""
    matrices = [core.matrix(rows) for rows in tables]
    loss = build(*matrices)
    core.backward(loss)
    found = loss.data, [core.read_gradients(m) for m in matrices]
    core.reset()
    return found


GRAPHS = {
    "embedding": lambda a, b, w: core.linear(core.embedding(a, [1, 0, 1, 2]), w),
    "add": lambda a, b, w: core.linear(core.add(core.embedding(a, [1, 0, 1, 2]), core.embedding(b, [2, 2, 0, 1])), w),
    "add twice": lambda a, b, w: core.linear(core.add(*[core.embedding(a, [1, 0, 1, 2])] * 2), w),
    "rmsnorm": lambda a, b, w: core.linear(core.rmsnorm(core.embedding(a, range(3))), w),
    "relu": lambda a, b, w: core.linear(core.relu(core.embedding(a, range(3))), w),
    "linear twice": lambda a, b, w: core.linear(core.linear(core.embedding(a, (0, 2)), b), w),
    "shared": lambda a, b, w: core.linear(core.add(core.rmsnorm(x := core.embedding(a, [0, 2])), core.relu(x)), w),
    "attention": lambda a, b, w: core.linear(
        core.attention(core.embedding(a, [0, 1, 2]), [core.embedding(b, [0, 1, 2])], [core.embedding(b, [2, 0, 1])], 2),
        w,
    ),
    "attention, one for all": lambda a, b, w: core.linear(
        core.attention(x := core.linear(core.embedding(a, [0, 1, 2]), b), [x], [x], 2), w
    ),
    "attention, cache in parts": lambda a, b, w: core.linear(
        core.attention(
            core.embedding(a, [0, 1]),
            [x := core.embedding(b, [0, 1]), x],
            [core.embedding(a, [2]), core.embedding(b, [1, 1, 0])],
            3,
        ),
        w,
    ),
    "attention, mixed projections": lambda a, b, w: core.linear(
        core.attention(core.linear(x := core.embedding(a, [0, 1, 2]), b), [core.linear(x, b)], [x], 1), w
    ),
}


@needs_core
@pytest.mark.parametrize("graph", GRAPHS)
def test_gradients_against_finite_differences(graph):
    rng = random.Random(1)
    tables = [[[rng.gauss(0, 1) for _ in range(6)] for _ in range(rows)] for rows in (6, 6, 5)]

    def build(a, b, w):
        logits = GRAPHS[graph](a, b, w)
        positions = len(logits.data)
        return core.mean([core.cross_entropy(logits, [i % 5 for i in range(positions)])])

    _, gradients = loss_of(build, tables)
    h = 1e-6
    for m, o, i in [(rng.randrange(3), rng.randrange(5), rng.randrange(6)) for _ in range(40)]:
        x = tables[m][o][i]
        tables[m][o][i] = x + h
        above, _ = loss_of(build, tables)
        tables[m][o][i] = x - h
        below, _ = loss_of(build, tables)
        tables[m][o][i] = x
        assert math.isclose(gradients[m][o][i], (above - below) / (2 * h), rel_tol=1e-5, abs_tol=1e-8), (m, o, i)


@needs_core
def test_gradients_accumulate_until_the_update_and_mean_takes_several_losses():
    w = core.matrix([[0.5, -1.0], [2.0, 0.25]])
    x = core.matrix([[1.0, 2.0]])

    def losses():
        return [core.cross_entropy(core.linear(core.embedding(x, 0), w), target) for target in (0, 1)]

    core.backward(core.mean(losses()))
    once = core.read_gradients(w)
    core.backward(core.mean(losses()))
    assert core.read_gradients(w) == [[2 * g for g in row] for row in once]
    core.Adam([w], 0.85, 0.99, 1e-8).update(1, 0.01)
    assert core.read_gradients(w) == [[0.0, 0.0], [0.0, 0.0]]


@needs_core
def test_a_long_tape_grows():
    a = core.matrix([[1.0, 2.0, 3.0]])
    one = core.embedding(a, 0)
    x = one
    for _ in range(20_000):
        x = core.add(x, one)
    assert x.data == [[20_001.0, 40_002.0, 60_003.0]]
    core.backward(core.mean([core.cross_entropy(x, 2)]))
    assert core.read_gradients(a) == [[0.0, 0.0, 0.0]]
    core.backward(core.mean([core.cross_entropy(core.linear(x, core.matrix([[0.0] * 3, [1e-9] * 3])), 0)]))
    assert math.isclose(core.read_gradients(a)[0][0], 20_001 * 0.5e-9, rel_tol=1e-3)


@needs_core
def test_nodes_counted_are_ops_and_matrices():
    trainer = Trainer(NATIVE, made_up(3))
    assert trainer.count_nodes(0) == trainer.count_nodes(1) == 19 + 9
    two = Trainer(NATIVE, made_up(3), Config(n_layer=2))
    assert two.count_nodes(0) == 19 + 9 + 12 + 6


# ------------------------------------------------------------------------------ bad input


def wrong_calls():
    x, w = core.embedding(core.matrix([[1.0, 2.0]] * 3), [0, 1]), core.matrix([[1.0, 2.0, 3.0]])
    logits = core.embedding(core.matrix([[1.0, 2.0]]), [0, 0])
    wide = core.embedding(w, [0, 0])
    return {
        "index above": (IndexError, core.embedding, w, 1),
        "index below": (IndexError, core.embedding, w, [-1]),
        "index huge": (IndexError, core.embedding, w, [10**30]),
        "index float": (TypeError, core.embedding, w, [0.0]),
        "index none": (TypeError, core.embedding, w, None),
        "index text": (TypeError, core.embedding, w, "a"),
        "no index": (ValueError, core.embedding, w, []),
        "no matrix": (TypeError, core.embedding, x, [0]),
        "add shapes": (ValueError, core.add, x, core.embedding(core.matrix([[1.0, 2.0]]), [0])),
        "add widths": (ValueError, core.add, x, wide),
        "add number": (TypeError, core.add, x, 1.0),
        "add one": (TypeError, core.add, x),
        "linear width": (ValueError, core.linear, x, w),
        "linear swapped": (TypeError, core.linear, w, x),
        "heads": (ValueError, core.attention, x, [x], [x], 3),
        "no heads": (ValueError, core.attention, x, [x], [x], 0),
        "negative heads": (IndexError, core.attention, x, [x], [x], -1),
        "no keys": (ValueError, core.attention, x, [], [], 1),
        "keys wide": (ValueError, core.attention, x, [wide], [x], 1),
        "values wide": (ValueError, core.attention, x, [x], [wide], 1),
        "fewer values": (ValueError, core.attention, x, [x, x], [x], 1),
        "no values": (ValueError, core.attention, x, [x], [], 1),
        "keys no list": (TypeError, core.attention, x, x, [x], 1),
        "keys of floats": (TypeError, core.attention, x, [1.0], [x], 1),
        "target above": (IndexError, core.cross_entropy, logits, [0, 2]),
        "target below": (IndexError, core.cross_entropy, logits, [0, -1]),
        "few targets": (ValueError, core.cross_entropy, logits, [0]),
        "many targets": (ValueError, core.cross_entropy, logits, [0, 0, 0]),
        "mean of rows": (ValueError, core.mean, [x]),
        "mean of none": (ZeroDivisionError, core.mean, []),
        "backward of rows": (ValueError, core.backward, x),
        "backward of none": (TypeError, core.backward, None),
        "count of rows": (ValueError, core.count_nodes, x),
        "no rows": (ValueError, core.matrix, []),
        "no columns": (ValueError, core.matrix, [[]]),
        "ragged": (ValueError, core.matrix, [[1.0], [1.0, 2.0]]),
        "ragged short": (ValueError, core.matrix, [[1.0, 2.0], [1.0]]),
        "text": (TypeError, core.matrix, [["a"]]),
        "number": (TypeError, core.matrix, 1.0),
        "temperature 0": (ZeroDivisionError, core.probabilities, core.embedding(w, 0), 0.0),
        "two positions": (ValueError, core.probabilities, x, 1.0),
        "adam of lists": (TypeError, core.Adam, [[[1.0]]], 0.9, 0.99, 1e-8),
        "adam update": (TypeError, core.Adam([w], 0.9, 0.99, 1e-8).update, 1),
        "adam t": (TypeError, core.Adam([w], 0.9, 0.99, 1e-8).update, "1", 0.1),
        "adam t 0": (ZeroDivisionError, core.Adam([w], 0.9, 0.99, 1e-8).update, 0, 0.1),
        "restore none": (ValueError, core.Adam([w], 0.9, 0.99, 1e-8).restore, None),
        "restore short": (ValueError, core.Adam([w], 0.9, 0.99, 1e-8).restore, b"1234"),
        "new tensor": (TypeError, type(x)),
        "new matrix": (TypeError, type(w)),
        "object.__new__": (TypeError, object.__new__, type(w)),
    }


@needs_core
def test_wrong_calls_are_exceptions():
    for case, (error, function, *arguments) in wrong_calls().items():
        try:
            function(*arguments)
        except error:
            continue
        pytest.fail(f"{case}: no {error.__name__}")


@needs_core
def test_what_reset_has_forgotten_raises():
    w = core.matrix([[1.0, 2.0], [3.0, 4.0]])
    x = core.embedding(w, [0, 1])
    loss = core.mean([core.cross_entropy(x, [0, 1])])
    core.reset()
    core.embedding(w, [0, 1])  # a new tape with a node of the same number
    calls = [
        lambda: core.add(x, x),
        lambda: core.linear(x, w),
        lambda: core.rmsnorm(x),
        lambda: core.relu(x),
        lambda: core.attention(x, [x], [x], 1),
        lambda: core.cross_entropy(x, [0, 0]),
        lambda: core.mean([loss]),
        lambda: core.backward(loss),
        lambda: core.count_nodes(loss),
        lambda: core.probabilities(x, 1.0),
        lambda: loss.data,
    ]
    for call in calls:
        with pytest.raises(RuntimeError, match="reset"):
            call()


@needs_core
def test_foreign_code_inside_an_op_cannot_pull_the_tape_away():
    w = core.matrix([[1.0, 2.0], [3.0, 4.0]])
    x = core.embedding(w, [0, 1])

    class Resets:
        def __len__(self):
            return 2

        def __getitem__(self, i):
            core.reset()
            if i >= 2:
                raise IndexError
            return 0

        def __float__(self):
            core.reset()
            return 1.0

    for call in [
        lambda: core.embedding(w, Resets()),
        lambda: core.cross_entropy(x, Resets()),
        lambda: core.mean(Resets()),
        lambda: core.attention(x, Resets(), [x], 1),
        lambda: core.attention(x, [x], Resets(), 1),
    ]:
        with pytest.raises(TypeError, match="list, tuple or range"):
            call()
    one = core.embedding(w, 0)
    with pytest.raises(RuntimeError):
        core.probabilities(one, Resets())
    assert core.read_values(core.matrix([[Resets()]])) == [[1.0]]


@needs_core
def test_weights_that_change_before_backward_are_noticed():
    w = core.matrix([[1.0, 2.0], [3.0, 4.0]])
    adam = core.Adam([w], 0.85, 0.99, 1e-8)
    loss = core.mean([core.cross_entropy(core.embedding(w, 0), 0)])
    adam.update(1, 0.01)
    with pytest.raises(RuntimeError, match="weights have changed"):
        core.backward(loss)


@needs_core
def test_a_matrix_outlives_its_name_while_the_tape_needs_it():
    x = core.embedding(core.matrix([[1.0, 2.0]]), [0])
    y = core.linear(x, core.matrix([[1.0, 2.0], [3.0, 4.0]]))
    core.matrix([[9.0] * 64] * 64)
    core.backward(core.mean([core.cross_entropy(y, [1])]))


@needs_core
def test_a_probability_of_0_is_the_references_error():
    x = core.embedding(core.matrix([[0.0, 1000.0]]), 0)
    with pytest.raises(ValueError, match="math domain error"):
        core.cross_entropy(x, 0)


@needs_core
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_nan_or_infinity_in_the_weights_shows_in_the_loss(bad):
    config = Config(n_layer=1, n_embd=8, n_head=2)
    documents = ["abc", "cab", "bca"]
    for name in Trainer(NATIVE, documents, config).weights():
        trainers = [Trainer(NATIVE, documents, config), Trainer("iterative", documents, config)]
        native, scalar = [trainer.model.matrices[name] for trainer in trainers]
        rows = core.read_values(native)
        rows[0][0] = bad
        trainers[0].model.matrices[name] = core.matrix(rows)
        scalar[0][0].data = bad
        trainers[0].optimizer = core.Adam(
            list(trainers[0].model.matrices.values()), config.beta1, config.beta2, config.eps
        )
        outcomes = []
        for trainer in trainers:
            seen = []
            try:
                for _ in range(3):
                    seen.append(trainer.step().loss)
            except (ValueError, ArithmeticError) as error:
                seen.append(type(error))
            core.reset()
            outcomes.append(seen)
        assert len(outcomes[0]) == len(outcomes[1]) and all(map(same, *outcomes)), (name, outcomes)
        if bad != bad:  # relu hides a NaN from the first loss, as Python's max(0, nan) does, never from the second
            assert outcomes[0][1] != outcomes[0][1], (name, outcomes)


# ------------------------------------------------------------------------------ memory

OUT_OF_MEMORY = """
import resource, sys
sys.path.insert(0, sys.argv[1])
from bench.workload.trainer import Trainer
trainer = Trainer(sys.argv[2], ["abc", "bcd"])
first = [trainer.step().loss for _ in range(3)]
core = sys.modules["_microgpt_native"]
wide = core.matrix([[1.0] * 64])
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (400 << 20),) * 2)
def exhaust():
    x = core.embedding(wide, [0] * 50_000)
    while True:
        x = core.add(x, x)
for _ in range(3):
    for attempt in (exhaust, lambda: core.embedding(wide, [0] * 5_000_000), lambda: core.attention(x := core.embedding(wide, [0] * 9_000), [x], [x], 64)):
        try:
            attempt()
        except MemoryError:
            print("MemoryError")
        core.reset()
again = Trainer(sys.argv[2], ["abc", "bcd"])
assert first == [again.step().loss for _ in range(3)]
print("goes on")
"""


def run(code, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-c", code, str(ROOT), str(ENGINE_FILE), *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


@needs_core
@needs_linux
def test_out_of_memory_is_an_exception_and_the_engine_goes_on():
    done = run(OUT_OF_MEMORY)
    assert done.stdout.split("\n")[:-1] == ["MemoryError"] * 9 + ["goes on"], done.stderr


@needs_core
@needs_linux
def test_memory_does_not_grow_over_a_thousand_steps():
    def resident():
        return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    trainer = Trainer(NATIVE, made_up(50), Config(n_layer=2))
    for _ in range(1000):
        trainer.step()
    before = resident()
    for _ in range(10):
        for _ in range(100):
            trainer.step()
            trainer.restore(trainer.snapshot())
        trainer.generate(3)
        trainer.gradients()
        trainer.count_nodes(1)
    assert resident() - before < 1 << 20


# What both checkers run: training of odd shapes, every op, every wrong call.
EXERCISE = """
import random, sys
sys.path.insert(0, sys.argv[1])
from bench.workload.config import Config
from bench.workload.trainer import Trainer
steps = int(sys.argv[3])
core = None
for n_layer, heads, size, block in [(1, 4, 4, 16), (2, 3, 5, 3), (3, 1, 1, 1), (1, 2, 8, 40)]:
    documents = ["".join(random.Random(i).choices("abcdefg", k=1 + i * 3 % 11)) for i in range(20)]
    trainer = Trainer(sys.argv[2], documents, Config(n_layer=n_layer, n_head=heads, n_embd=heads * size, block_size=block))
    core = sys.modules["_microgpt_native"]
    for kernels in core.list_kernels():
        core.use_kernels(kernels)
        for _ in range(steps // 8):
            trainer.step()
        trainer.restore(trainer.snapshot())
        trainer.generate(2), trainer.gradients(), trainer.weights(), trainer.count_nodes(0)
core.use_kernels(core.list_kernels()[-1])
trainer = Trainer(sys.argv[2], documents)
for _ in range(steps):
    trainer.step()
x = core.embedding(core.matrix([[1.0, 2.0, 3.0]]), [0, 0])
for wrong in [
    lambda: core.embedding(core.matrix([[1.0]]), [5]), lambda: core.add(x, None), lambda: core.matrix([[1.0], []]),
    lambda: core.matrix([[1.0], ["x"]]), lambda: core.attention(x, [x, x], [x], 1), lambda: core.cross_entropy(x, [0, 9]),
    lambda: core.Adam([None], 0.1, 0.1, 0.1), lambda: type(x)(), lambda: core.linear(x, core.matrix([[1.0]])),
    lambda: core.backward(x), lambda: core.reset() or x.data,
]:
    try:
        wrong()
        raise SystemExit("no error")
    except (TypeError, ValueError, IndexError, RuntimeError):
        pass
print("done")
"""


@pytest.mark.slow
@needs_core
@needs_linux
def test_under_the_address_and_undefined_behaviour_sanitizers(tmp_path):
    include = sysconfig.get_paths()["include"]
    if not os.path.exists(os.path.join(include, "Python.h")):
        pytest.skip(f"no Python.h in {include}")
    flags = ["-std=gnu11", "-O1", "-g", "-ffp-contract=off", "-fPIC", "-shared"]
    flags += ["-fsanitize=address,undefined", "-fno-sanitize-recover"]
    library = tmp_path / "_microgpt_native.so"
    try:
        subprocess.run(
            ["gcc", *flags, "-I", include, str(ROOT / "native" / "_microgpt_native.c"), "-lm", "-o", str(library)],
            check=True,
        )
        runtime = subprocess.run(["gcc", "-print-file-name=libasan.so"], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"cannot build with -fsanitize=address: {error}")
    # the interpreter leaks by design, so leaks are Valgrind's and the resident size's matter
    done = run(
        EXERCISE,
        "1000",
        LD_PRELOAD=runtime.stdout.strip(),
        ASAN_OPTIONS="detect_leaks=0",
        PYTHONPATH=str(tmp_path),
        PYTHONMALLOC="malloc",
    )
    assert done.stdout == "done\n" and not re.search("Sanitizer|runtime error", done.stderr), done.stderr


@pytest.mark.slow
@needs_core
@needs_linux
def test_under_valgrind(tmp_path):
    def lost(steps):
        log = tmp_path / f"{steps}.log"
        command = [
            "valgrind", "--leak-check=full", "--show-leak-kinds=definite", f"--log-file={log}", sys.executable, "-c", EXERCISE, str(ROOT), str(ENGINE_FILE), str(steps),
        ]  # fmt: skip
        try:
            done = subprocess.run(command, env={**os.environ, "PYTHONMALLOC": "malloc"}, capture_output=True, text=True)
        except FileNotFoundError:
            pytest.skip("no valgrind")
        text = log.read_text()
        assert done.stdout == "done\n", done.stderr + text
        # some interpreters have errors of their own; a block of the log is one error with its stack
        blocks = re.split(r"^==\d+== $", text, flags=re.MULTILINE)
        ours = [block for block in blocks if "_microgpt_native" in block and "Command:" not in block]
        assert not ours, "\n".join(ours)
        return [line.split(":", 1)[1] for line in text.splitlines() if "definitely lost:" in line]

    assert lost(100) == lost(300), "two hundred steps lose memory"


# ------------------------------------------------------------------------------ without the extension


def test_without_the_extension_the_file_imports_and_says_what_to_do(monkeypatch):
    monkeypatch.delitem(sys.modules, "_microgpt_native", raising=False)
    monkeypatch.setattr("importlib.machinery.PathFinder.find_spec", lambda *arguments: None)
    engine = engines.load(str(ENGINE_FILE))
    assert "\n" not in engine.unavailable
    if sys.implementation.name == "cpython":
        assert "not built" in engine.unavailable and "compiler" in engine.unavailable
    with pytest.raises(engines.EngineUnavailable, match="cannot run here"):
        Trainer(engine, ["abc"])
    with pytest.raises(ImportError, match="extension module"):
        engine.matrix([[1.0]])


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="for CPython")
def test_an_extension_that_does_not_load_says_so(monkeypatch, tmp_path):
    import importlib.util

    broken = tmp_path / "_microgpt_native.abi3.so"
    broken.write_bytes(b"no library")
    spec = importlib.util.spec_from_file_location("_microgpt_native", broken)
    monkeypatch.delitem(sys.modules, "_microgpt_native", raising=False)
    monkeypatch.setattr("importlib.machinery.PathFinder.find_spec", lambda *arguments: spec)
    engine = engines.load(str(ENGINE_FILE))
    assert "does not load" in engine.unavailable and "\n" not in engine.unavailable
