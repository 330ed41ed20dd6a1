"""The same ops traced by JAX: a document's whole loss and its gradient as one compiled function, Adam as another.

JAX derives functions and compiles them, so nothing is recorded op by op. The ops only note what is to be computed; backward hands
that as one function to ``jax.value_and_grad`` and ``jax.jit``. A function is compiled once for each form of the graph. So that
documents of all lengths have the same form, positions are filled up to a multiple of 16 with ones whose losses weigh nothing:
more arithmetic, and no compiling while it trains. What is asked of activations apart from that, as for samples, NumPy computes.

Compiling takes a second or two in every process, before the first gradients: the tables say how long this engine takes to start. At small
sizes most of a step is the two calls, whose arguments are checked one by one. XLA may not use more than one thread, and numbers are
float64, which JAX does only when told to; XLA takes those below the smallest normal number for 0.
"""

import gc
import os
from functools import lru_cache

from bench.workload.engine import Engine, Parity

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

unavailable = None
callbacks = getattr(gc, "callbacks", [])  # PyPy has none
before = list(callbacks)
try:
    import jax
    import numpy as np

    # JAX frees what it deferred whenever Python's collector works; an engine leaves the collector alone
    callbacks[:] = before

    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_cpu_enable_async_dispatch", False)  # nothing computes behind the caller's back
except (ImportError, AttributeError) as error:  # the latter where this folder is searched first, and jax is this file
    reason = " ".join(str(error).split())[:100]
    unavailable = f"JAX does not load ({reason}): run `python -m pip install jax` with this interpreter"

FILLED = 16  # positions are filled up to a multiple of this


class Node:
    """What is to be computed: ``op`` of ``inputs``, with ``static`` facts, which a compiled form is of, and a ``dynamic`` array.

    ``shape`` is without the positions that were filled in.
    """

    __slots__ = ("dynamic", "inputs", "kept", "op", "shape", "static")

    def __init__(self, op, inputs, shape, static=(), dynamic=None):
        self.op, self.inputs, self.shape, self.static, self.dynamic = op, inputs, shape, static, dynamic
        self.kept = None

    @property
    def data(self):
        """The numbers, (positions, n) or fewer dimensions."""
        return self.filled()[: self.shape[0]] if self.shape else self.filled()

    def filled(self):
        """The numbers, filled positions too; by NumPy, unless backward has computed them."""
        if self.kept is None:
            self.kept = self.op(np, self.static, self.dynamic, *(x.filled() for x in self.inputs))
        return self.kept

    def backward(self):
        """Add d self / d weight to the ``grad`` of every weight matrix that this depends on."""
        if self.shape:
            raise ValueError(f"backward starts from one number, a mean of losses: got the shape {self.shape}")
        form, matrices, dynamic = written_out(self)
        self.kept, gradients = compiled(form)([w.data for w in matrices], dynamic)
        for w, gradient in zip(matrices, gradients):
            w.grad = gradient if w.grad is None else w.grad + gradient


class Matrix:
    """Weights (n_out, n_in), and their gradients, None for zeros."""

    __slots__ = ("data", "grad")
    inputs = ()

    def __init__(self, rows):
        self.data, self.grad = np.array(rows, dtype=np.float64), None
        if self.data.ndim != 2 or not self.data.size:
            raise ValueError(f"a matrix has rows of numbers, all of one length: got the shape {self.data.shape}")

    @property
    def shape(self):
        return self.data.shape

    def filled(self):
        return np.asarray(self.data)


def in_order(loss):
    """Everything that a node depends on, inputs first, and the node last."""
    done, stack = {}, [loss]
    while stack:
        node = stack[-1]
        waiting = [x for x in node.inputs if x not in done]
        if waiting:
            stack += waiting
        else:
            done.setdefault(stack.pop())
    return list(done)


def written_out(loss):
    """The form of a graph, which can be looked up, its matrices, and its dynamic arrays."""
    nodes = in_order(loss)
    place = {node: number for number, node in enumerate(nodes)}
    form = tuple(
        () if isinstance(node, Matrix) else (node.op, node.static, tuple(place[x] for x in node.inputs))
        for node in nodes
    )
    matrices = [node for node in nodes if isinstance(node, Matrix)]
    return form, matrices, [node.dynamic for node in nodes if not isinstance(node, Matrix)]


@lru_cache(maxsize=64)
def compiled(form):
    """The loss and the gradients of a form, as a function of its matrices and dynamic arrays."""

    def loss(matrices, dynamic):
        matrices, dynamic, values = iter(matrices), iter(dynamic), []
        for node in form:
            if node:
                op, static, inputs = node
                values.append(op(jax.numpy, static, next(dynamic), *(values[x] for x in inputs)))
            else:
                values.append(next(matrices))
        return values[-1]

    return jax.jit(jax.value_and_grad(loss))


# ------------------------------------------------------------------------------ the arithmetic, of NumPy or of JAX


def rows_of(xp, static, index, w):
    return w[index]


def sum_of(xp, static, dynamic, a, b):
    return a + b


def product(xp, static, dynamic, x, w):
    return x @ w.T


def normalized(xp, static, dynamic, x):
    return x / xp.sqrt((x * x).mean(axis=1, keepdims=True) + 1e-5)


def rectified(xp, static, dynamic, x):
    return xp.where(x > 0, x, 0.0)


def attended(xp, static, dynamic, q, *entries):
    """Keys, then values; the queries are the last of the positions, and what is filled in lies behind them all."""
    n_head, before, *parts = static
    cut = len(parts[0])
    k, v = (
        own[0] if rows_each == (0,) else xp.concatenate([x[:rows] for x, rows in zip(own, rows_each)])
        for own, rows_each in ((entries[:cut], parts[0]), (entries[cut:], parts[1]))
    )
    heads = [x.reshape(len(x), n_head, -1).transpose(1, 0, 2) for x in (q, k, v)]
    scores = heads[0] @ heads[1].transpose(0, 2, 1) / heads[0].shape[2] ** 0.5
    scores = xp.where(np.tri(len(q), len(k), before, dtype=bool), scores, -np.inf)
    exps = xp.exp(scores - scores.max(axis=2, keepdims=True))
    out = exps / exps.sum(axis=2, keepdims=True) @ heads[2]
    return out.transpose(1, 0, 2).reshape(q.shape)


def entropy(xp, static, target, x):
    x = x - x.max(axis=1, keepdims=True)
    return xp.log(xp.exp(x).sum(axis=1)) - x[np.arange(len(target)), target]


def averaged(xp, static, share, *losses):
    return sum((loss * own).sum() for loss, own in zip(losses, share))


# ------------------------------------------------------------------------------ the ops


def filled(numbers, kind):
    """As an array with zeros behind it."""
    array = np.zeros(-(-len(numbers) // FILLED) * FILLED, dtype=kind)
    array[: len(numbers)] = numbers
    return array


def indices(index, rows):
    """One index or a sequence of them as an array. Raises IndexError outside 0 … rows − 1."""
    index = [index] if isinstance(index, int) else index
    if min(index) < 0 or max(index) >= rows:
        raise IndexError(f"an index in {list(index)} is outside 0 to {rows - 1}")
    return filled(index, np.int64), len(index)


def embedding(w, index):
    index, count = indices(index, w.shape[0])
    return Node(rows_of, (w,), (count, w.shape[1]), dynamic=index)


def add(a, b):
    if a.shape != b.shape:
        raise ValueError(f"cannot add the shapes {a.shape} and {b.shape}")
    return Node(sum_of, (a, b), a.shape)


def linear(x, w):
    if x.shape[1] != w.shape[1]:
        raise ValueError(f"the shapes {x.shape} and {w.shape} do not fit: both end in the same number")
    return Node(product, (x, w), (x.shape[0], w.shape[0]))


def rmsnorm(x):
    return Node(normalized, (x,), x.shape)


def relu(x):
    return Node(rectified, (x,), x.shape)


def attention(q, keys, values, n_head):
    queries, n = q.shape
    parts = [tuple(x.shape[0] for x in entries) for entries in (keys, values)]
    positions, wrong = sum(parts[0]), any(x.shape[1] != n for x in (*keys, *values))
    if n_head < 1 or n % n_head or wrong or positions != sum(parts[1]) or positions < queries:
        raise ValueError(f"queries {q.shape}, {positions} keys and {sum(parts[1])} values do not fit {n_head} heads")
    # of a single part each the number of positions is no part of the form
    single = len(keys) == 1 == len(values)
    static = (n_head, positions - queries, *([(0,), (0,)] if single else parts))
    return Node(attended, (q, *keys, *values), q.shape, static)


def cross_entropy(logits, target):
    rows, n = logits.shape
    target, count = indices(target, n)
    if count != rows:
        raise ValueError(f"{count} targets for {rows} positions: give one each")
    return Node(entropy, (logits,), (rows,), dynamic=target)


def mean(losses):
    n = sum(loss.shape[0] for loss in losses)
    share = [filled([1 / n] * loss.shape[0], np.float64) for loss in losses]
    if not share:
        raise ValueError("a mean is of one loss or more")
    return Node(averaged, tuple(losses), (), dynamic=share)


def probabilities(logits, temperature):
    if logits.shape[0] != 1:
        raise ValueError(f"probabilities are of one position, not of {logits.shape[0]}")
    x = logits.data[0] * (1 / temperature)
    exps = np.exp(x - x.max())
    return (exps / exps.sum()).tolist()


def count_nodes(loss):
    """Operations and matrices that the loss depends on."""
    return len(in_order(loss))


def read_values(matrix):
    return np.asarray(matrix.data).tolist()


def read_gradients(matrix):
    return (np.zeros(matrix.shape) if matrix.grad is None else np.asarray(matrix.grad)).tolist()


def updated(weights, gradients, m, v, beta1, beta2, correction1, correction2, learning_rate, eps, shrink, decay):
    """New weights and moments, matrix by matrix."""
    gradients = [g * shrink for g in gradients]
    m = [beta1 * x + (1 - beta1) * g for x, g in zip(m, gradients)]
    v = [beta2 * x + (1 - beta2) * g * g for x, g in zip(v, gradients)]
    steps = [learning_rate * (x / correction1) / (jax.numpy.sqrt(y / correction2) + eps) for x, y in zip(m, v)]
    return [w * decay - step for w, step in zip(weights, steps)], m, v


class Adam:
    """Adam over all weights, in one compiled function."""

    def __init__(self, matrices, beta1, beta2, eps):
        self.matrices = list(matrices)
        self.beta1, self.beta2, self.eps = beta1, beta2, eps
        self.m, self.v = ([np.zeros(w.shape) for w in self.matrices] for _ in range(2))
        self.compiled = jax.jit(updated)

    def update(self, t, learning_rate, corrections=None, shrink=1.0, decay=1.0):
        correction1, correction2 = corrections or (1 - self.beta1**t, 1 - self.beta2**t)
        gradients = [np.zeros(w.shape) if w.grad is None else w.grad for w in self.matrices]
        weights, self.m, self.v = self.compiled(
            [w.data for w in self.matrices], gradients, self.m, self.v, self.beta1, self.beta2, correction1, correction2,
            learning_rate, self.eps, shrink, decay,
        )  # fmt: skip
        self.place(weights)

    def place(self, weights):
        for w, data in zip(self.matrices, weights):
            w.data, w.grad = data, None

    def load(self, weights, m, v, t):
        def like(numbers):
            ends = np.cumsum([w.data.size for w in self.matrices])[:-1]
            parts = np.split(np.array(numbers, dtype=np.float64), ends)
            return [part.reshape(w.shape) for part, w in zip(parts, self.matrices)]

        self.place(like(weights))
        self.m, self.v = like(m), like(v)

    def snapshot(self):
        return [w.data for w in self.matrices], self.m, self.v

    def restore(self, snapshot):
        weights, self.m, self.v = snapshot
        self.place(weights)


ENGINE = Engine(
    name="jax",
    summary="the loss and its gradient as one function that JAX compiles",
    parent="numpy",
    change="traced, derived and compiled by JAX",
    parity=Parity.ROUNDING,
    batched=True,
    unavailable=unavailable,
    embedding=embedding,
    add=add,
    linear=linear,
    rmsnorm=rmsnorm,
    relu=relu,
    attention=attention,
    cross_entropy=cross_entropy,
    mean=mean,
    probabilities=probabilities,
    count_nodes=count_nodes,
    matrix=Matrix,
    read_values=read_values,
    read_gradients=read_gradients,
    optimizer=Adam,
)
