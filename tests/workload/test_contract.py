"""The contract that every engine keeps: its arithmetic, its gradients, its life between two steps."""

import dataclasses
import math
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import engines
from bench.workload.engine import Engine, loss_of
from bench.workload.engine import attention as default_attention
from bench.workload.engine import softmax as default_softmax

quick = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

# Every operator, with its reflected form and with plain numbers on either side.
BINARY = {
    "add": lambda a, b: a + b,
    "add number": lambda a, b: a + 1.5,
    "radd number": lambda a, b: 1.5 + a,
    "sub": lambda a, b: a - b,
    "sub number": lambda a, b: a - 0.75,
    "rsub number": lambda a, b: 0.75 - a,
    "mul": lambda a, b: a * b,
    "mul number": lambda a, b: a * -2.5,
    "rmul number": lambda a, b: -2.5 * a,
    "div": lambda a, b: a / b,
    "div number": lambda a, b: a / 3.0,
    "rdiv number": lambda a, b: 3.0 / a,
    "square": lambda a, b: a**2,
    "root": lambda a, b: (a * a + 1.0) ** 0.5,
    "inverse": lambda a, b: b**-1,
    "neg": lambda a, b: -a,
    "same twice": lambda a, b: a * a,
    "minus itself": lambda a, b: a - a + b,
    "over itself": lambda a, b: a / a * b,
    "sum": lambda a, b: sum([a, b, a]),
}
UNARY = {
    "exp": (lambda v: v.exp(), math.exp),
    "log": (lambda v: (v * v + 0.5).log(), lambda x: math.log(x * x + 0.5)),
    "relu": (lambda v: v.relu(), lambda x: max(0.0, x)),
}
away_from_zero = st.floats(0.3, 2.0).flatmap(lambda x: st.sampled_from([x, -x]))


def gradients(engine, build, numbers):
    """The value of build(leaves) and d value / d leaf of each leaf."""
    engine.reset()
    leaves = [engine.value(x) for x in numbers]
    out = build(leaves)
    engine.backward(out)
    result = out.data, [leaf.grad for leaf in leaves]
    engine.reset()
    return result


def differences(function, numbers, h=1e-6):
    """Central finite differences of function(list of floats)."""
    found = []
    for i, x in enumerate(numbers):
        above, below = numbers[:], numbers[:]
        above[i], below[i] = x + h, x - h
        found.append((function(above) - function(below)) / (2 * h))
    return found


def close(got, expected):
    return all(math.isclose(g, e, rel_tol=2e-5, abs_tol=2e-6) for g, e in zip(got, expected))


@pytest.mark.parametrize("operator", BINARY)
@quick
@given(a=away_from_zero, b=away_from_zero)
def test_operators(scalar_engine, operator, a, b):
    build = BINARY[operator]
    value, grads = gradients(scalar_engine, lambda v: build(v[0], v[1]), [a, b])
    assert math.isclose(value, build(a, b), rel_tol=1e-12, abs_tol=1e-15)
    assert close(grads, differences(lambda x: build(x[0], x[1]), [a, b]))


@pytest.mark.parametrize("operator", UNARY)
@quick
@given(a=away_from_zero)
def test_functions(scalar_engine, operator, a):
    on_nodes, on_floats = UNARY[operator]
    value, grads = gradients(scalar_engine, lambda v: on_nodes(v[0]) * 1.0, [a])
    assert math.isclose(value, on_floats(a), rel_tol=1e-12)
    assert close(grads, differences(lambda x: on_floats(x[0]), [a]))


# A random graph is a program: each instruction takes two of the values so far (so sub-expressions and leaves are
# shared) and appends one. What is kept bounded, so that differences stay accurate, is squashed by softplus-like steps.
def run_program(program, values, exp, log, relu):
    values = list(values)
    for kind, i, j in program:
        a, b = values[i % len(values)], values[j % len(values)]
        if kind == "add":
            out = a + b
        elif kind == "sub":
            out = a - b
        elif kind == "mul":
            out = a * b
        elif kind == "div":
            out = a / (b * b + 1.0)
        elif kind == "relu":
            out = relu(a - 0.0371) + 0.1 * b  # not relu(a): a may be exactly 0, where there is no gradient
        elif kind == "root":
            out = (a * a + b * b + 0.5) ** 0.5
        else:
            out = exp(-1.0 * (a * a)) + b
        # keeps numbers small: x / sqrt(1 + x²) has values in (−1, 1)
        values.append(out / (out * out + 1.0) ** 0.5)
    total = values[-1]
    for value in values[:-1]:
        total = total + value * 0.5
    return log(total * total + 1.0)


instructions = st.tuples(
    st.sampled_from(["add", "sub", "mul", "div", "relu", "root", "exp"]), st.integers(0, 30), st.integers(0, 30)
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(program=st.lists(instructions, min_size=1, max_size=12), leaves=st.lists(away_from_zero, min_size=1, max_size=4))
def test_random_graphs_against_finite_differences(scalar_engine, program, leaves):
    def on_floats(x):
        return run_program(program, x, math.exp, math.log, lambda y: max(0.0, y))

    value, grads = gradients(
        scalar_engine,
        lambda v: run_program(program, v, lambda n: n.exp(), lambda n: n.log(), lambda n: n.relu()),
        leaves,
    )
    assert math.isclose(value, on_floats(leaves), rel_tol=1e-12, abs_tol=1e-14)
    expected = differences(on_floats, leaves)
    # a kink of relu inside the difference's step makes the difference, not the gradient, wrong
    smaller = differences(on_floats, leaves, h=1e-7)
    if all(math.isclose(e, s, rel_tol=1e-4, abs_tol=1e-5) for e, s in zip(expected, smaller)):
        assert all(math.isclose(g, e, rel_tol=1e-4, abs_tol=1e-5) for g, e in zip(grads, expected))


def through_relu(engine, numbers):
    """Loss of a row behind a relu, and the gradients of the row and of the weights that it meets there, in one list."""
    row, weights = engine.matrix([numbers]), engine.matrix([[0.75, -0.5, 1.25, 0.5], [-0.25, 1.5, 0.5, -1.0]])
    first, target = ([0], [1]) if engine.batched else (0, 1)
    loss = engine.mean(
        [engine.cross_entropy(engine.linear(engine.relu(engine.embedding(row, first)), weights), target)]
    )
    engine.backward(loss)
    found = [loss_of(loss)]
    for matrix in (row, weights):
        found += [gradient for row_ in engine.read_gradients(matrix) for gradient in row_]
    engine.reset()
    return found


@pytest.mark.parametrize("special", [math.nan, -math.inf, 0.0, -0.0, 5e-324, -5e-324, -1e308], ids=str)
def test_relu_is_the_references_at_numbers_that_are_none(engine, special):
    """max(0, NaN) is 0 as in Python, with the gradient 0, and a closed unit's product is never 0 · inf."""
    if engine.name == "jax" and 0 < abs(special) < sys.float_info.min:
        pytest.skip("XLA takes what is smaller than the smallest normal number for 0")
    numbers = [special, 0.5, -0.5, 1.5]
    expected = through_relu(engines.load("reference"), numbers)
    assert all(map(math.isfinite, expected))
    assert through_relu(engine, numbers) == pytest.approx(expected, abs=1e-12)


def test_relu_lets_infinity_pass(engine):
    found = through_relu(engine, [math.inf, 0.5, -0.5, 1.5])
    assert math.isnan(found[0])  # inf − inf, as in the reference


@quick
@given(numbers=st.lists(st.floats(max_value=50.0), min_size=4, max_size=4))
def test_relu_of_any_numbers(engine, numbers):
    if engine.name == "jax":  # XLA takes what is smaller than the smallest normal number for 0
        numbers = [number if abs(number) >= sys.float_info.min else 0.0 for number in numbers]
    expected = through_relu(engines.load("reference"), numbers)
    assert through_relu(engine, numbers) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_gradients_accumulate_over_uses_of_a_leaf(scalar_engine):
    value, (grad,) = gradients(scalar_engine, lambda v: v[0] * 2.0 + v[0] * 3.0 + v[0], [1.25])
    assert value == 7.5
    assert grad == 6.0


def test_a_second_graph_starts_clean_after_reset(scalar_engine):
    first = gradients(scalar_engine, lambda v: (v[0] * v[1]).exp(), [0.5, -0.25])
    again = gradients(scalar_engine, lambda v: (v[0] * v[1]).exp(), [0.5, -0.25])
    assert first == again


def chain_gradient(engine, length):
    _, (grad,) = gradients(engine, lambda v: deep(v[0], length), [1.0])
    return grad


def deep(value, length):
    for _ in range(length):
        value = value + 1.0
    return value


@pytest.mark.parametrize("name", ["iterative", "tape", "combined"])
def test_no_recursion_limit_on_a_chain_of_100_000_nodes(name):
    assert chain_gradient(engines.load(name), 100_000) == 1.0


def test_the_recursive_sort_does_reach_the_limit():
    with pytest.raises(RecursionError):
        chain_gradient(engines.load("reference"), 100_000)


def test_listed_engines_and_files_are_the_same(engine):
    assert engine.name in engines.NAMES
    assert engine.parent is None or engine.parent in engines.NAMES
    assert (engine.parent is None) == (engine.name == "reference")
    assert engine.summary and (engine.change or engine.name == "reference")


def test_every_engine_file_is_listed():
    """All others in the folder hold what several engines share: an engine imports them, and they are none."""
    import pathlib

    texts = {path.stem: path.read_text("utf-8") for path in pathlib.Path(engines.__file__).parent.glob("*.py")}
    shared = set(texts) - {"__init__", *engines.NAMES}
    assert not [name for name in shared if "ENGINE" in texts[name]]
    assert not [name for name in shared if not any(f"engines.{name} import" in text for text in texts.values())]


def test_an_unknown_engine_names_the_nearest():
    with pytest.raises(engines.EngineError, match="did you mean 'fused_dot'"):
        engines.load("fusd_dot")


def test_a_file_of_ones_own(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("import engines\nENGINE = engines.load('tape')\n")
    assert isinstance(engines.load(str(path)), Engine)


@pytest.mark.parametrize(
    "text, message", [("x = 1\n", "does not end in ENGINE"), ("1 / 0\n", "fails on import: ZeroDivisionError")]
)
def test_a_file_that_is_no_engine(tmp_path, text, message):
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(engines.EngineError, match=message):
        engines.load(str(path))


def test_a_variant_s_softmax_and_values_reach_every_op_that_is_not_the_engine_s_own():
    """dataclasses.replace copies what the parent had filled in: that is filled anew."""
    calls = []

    def counting(name):
        def softmax(logits):
            calls.append(name)
            return default_softmax(logits)

        return softmax

    class Value(engines.load("reference").value):
        pass

    mine = dataclasses.replace(engines.load("reference"), name="mine", softmax=counting("first"))
    for engine, expected in (
        (mine, "first"),
        (dataclasses.replace(mine, softmax=counting("second")), "second"),
        (dataclasses.replace(mine, softmax=default_softmax), None),
        (dataclasses.replace(mine, value=Value), "first"),
    ):
        calls.clear()
        x = engine.matrix([[0.5, -0.25]])[0]
        assert type(x[0]) is engine.value
        for op in (
            lambda: engine.attention(x, [x], [x], 1),
            lambda: engine.cross_entropy(x, 1),
            lambda: engine.probabilities(x, 0.5),
        ):
            before = len(calls)
            op()
            assert calls[before:] == [expected] * (expected is not None)
    own = dataclasses.replace(mine, attention=default_attention, softmax=counting("third"))
    calls.clear()
    own.attention(x, [x], [x], 1)
    assert calls == ["third"]  # the contract's attention, however it came, takes the engine's softmax
    given = dataclasses.replace(mine, probabilities=lambda logits, temperature: [1.0])
    assert dataclasses.replace(given, softmax=counting("fourth")).probabilities(x, 1.0) == [1.0]


def test_an_engine_without_weights_is_refused():
    from bench.workload.engine import Parity

    with pytest.raises(TypeError, match="neither value= nor matrix="):
        Engine(name="x", summary="", parent=None, change="", parity=Parity.ROUNDING)


# --------------------------------------------------------------------- variants: engines of ten lines


def silent(logits):
    """A softmax that is told from all others: nothing is probable."""
    return [logit * 0.0 for logit in logits]


def test_a_variant_is_its_parent_but_for_what_is_given():
    tape = engines.load("tape")
    mine = tape.variant("mine", "no relu", relu=lambda x: x)
    assert (mine.name, mine.parent, mine.change, mine.summary) == ("mine", "tape", "no relu", "no relu")
    assert mine.parity is tape.parity and mine.reset == tape.reset and mine.relu([1, -1]) == [1, -1]
    second = mine.variant("second", "and said so", summary="words", collector="off")
    assert (second.parent, second.summary, second.collector) == ("mine", "words", "off")
    assert second.relu is mine.relu


def test_what_stands_on_a_changed_op_is_filled_anew():
    class Value(engines.load("reference").value):
        pass

    changed = engines.load("reference").variant("mine", "", softmax=silent)
    further = changed.variant("further", "", value=Value)
    x = further.matrix([[0.5, -0.25]])[0]
    assert type(x[0]) is Value and type(changed.matrix([[1.0]])[0][0]) is not Value
    for engine in changed, further:
        assert engine.probabilities(x, 0.5) == [0.0, 0.0]
        assert [y.data for y in engine.attention(x, [x], [x], 1)] == [0.0, 0.0]
    assert changed.variant("back", "", softmax=default_softmax).probabilities(x, 0.5) != [0.0, 0.0]


@pytest.mark.parametrize(
    "parent, ops, said",
    [
        (
            "reference",
            {"lineer": silent},
            r"^variant 'mine' of reference: there is no op 'lineer' \(did you mean linear\?\)",
        ),
        ("reference", {"batched": True}, "ops: value, embedding, add, linear, rmsnorm, relu, softmax, attention, "),
        ("reference", {"linear": 3}, "linear=3 cannot be called"),
        (
            "fused_dot",
            {"softmax": silent},
            "fused_dot spells attention itself, without this softmax: give attention= too",
        ),
        ("tape", {"value": float}, "tape spells reset, no_graph itself, without this value"),
        ("vector", {"softmax": silent}, "vector spells attention, cross_entropy, probabilities itself"),
        ("vector_exact", {"softmax": silent}, "vector_exact spells attention, cross_entropy, probabilities itself"),
        ("compiled", {"value": float}, "compiled has no Values"),
        ("compiled_unordered", {"attention": default_attention}, "the contract's attention computes with Values"),
    ],
)
def test_what_does_not_fit_together_is_refused_in_one_line(parent, ops, said):
    with pytest.raises(TypeError, match=said) as refused:
        engines.load(parent).variant("mine", "", **ops)
    assert "\n" not in str(refused.value)


def test_a_variant_may_give_what_stands_on_the_changed_op_too():
    fused = engines.load("fused_dot")
    mine = fused.variant("mine", "", softmax=silent, attention=fused.attention)
    assert mine.attention is fused.attention
    assert mine.probabilities(mine.matrix([[0.5, 1.0]])[0], 1.0) == [0.0, 0.0]


@pytest.mark.parametrize("parent", ["vector", "vector_exact", "compiled", "compiled_unordered"])
def test_a_variant_of_an_engine_of_vectors_trains_with_its_own_op(parent):
    """Its own op is used, and the rest goes on as it was."""
    from bench.workload.trainer import Trainer

    engine = engines.load(parent)
    calls = []

    def counted(x):
        calls.append(x)
        return engine.relu(x)

    trainers = [Trainer(e, ["ab", "ba"]) for e in (engine, engine.variant("mine", "", relu=counted))]
    (one,), (other,) = ([trainer.step().loss] for trainer in trainers)
    assert one == other and len(calls) == 1 and trainers[0].weights() == trainers[1].weights()
