"""`vector_exact` without the reference's order of operations: what its bits cost, given back.

A node is a whole activation (positions, n), sums of products are written out over numbers in locals, and zeros behind a
relu are passed over, all as in `vector_exact`. What may round differently here, largest gain first:

- Adam: ``g * g`` and ``sqrt(v)`` in place of powers, and all factors that are the same for every weight of a step taken
  together, which leaves one division per weight. Moments are sums of plain gradients, without 1 − β before them;
- long sums by `math.sumprod`, where it is there (CPython 3.12), although it rounds only once: from 32 terms on, where an
  expression has become slower, on CPython 3.15 from 16 on (`LONG` in `dot_products`);
- everything that reads the same vector (queries, keys and values) hands back one gradient, as one longer sum, in no
  order of rows; no row is turned around;
- chain rules in closed form: softmax p·(dp − Σ p·dp), cross-entropy p − onehot, rmsnorm in two products per number.
  The cross-entropy takes log Σ exp, so that large logits do not end it in log(0).

Before CPython 3.12 only Adam and the chain rules are left, and on PyPy, where a power costs little, nothing is won.
Losses keep within 1e-12 of the reference's.
"""

from functools import partial
from itertools import chain, compress
from math import exp, log, sqrt

from bench.workload.engine import Engine, Parity, without_tape
from engines import unrolled_products
from engines.activation_rows import (
    by_entry,
    check_sum,
    count_reached,
    entries,
    indices,
    shape,
    targets_of,
)
from engines.dot_products import LONG, sumprod
from engines.unrolled_products import columns, combine, in_rows, part, side_by_side
from engines.weight_rows import LinesOfSixteen, Matrix, read_gradients, read_values

TAPE = []  # (chain rule, output, inputs and what the chain rule wants to know), oldest first


class Node:
    """An activation (positions, n) as rows, one number per position, or one number; ``grad`` is None until one arrives."""

    __slots__ = ("data", "gated", "grad", "waiting")

    def __init__(self, data):
        self.data = data
        self.grad = None
        self.gated = False  # a relu's output: no gradient is wanted where it is 0
        self.waiting = []  # during backward: the linears that read these rows, with their gradients


def products(a_rows, b_rows):
    """A·Bᵀ as one flat list: (m, terms), (n, terms) → m · n numbers."""
    if len(a_rows[0]) >= LONG:
        return [sumprod(a, b) for a in a_rows for b in b_rows]
    return unrolled_products.products(a_rows, b_rows)


def give(x, grad):
    """Add rows to a node's gradient. Out of place, because the first gradient may be another node's too."""
    if x.grad is not None:
        grad = [[a + b for a, b in zip(*rows)] for rows in zip(x.grad, grad)]
    x.grad = grad


# --------------------------------------------------------------------- the ops, each with its chain rule


def embedding(w, index):
    """Rows of w. Each row's gradient gathers those of the positions that read it."""
    index = indices(index, len(w.rows))
    y = Node([w.rows[i] for i in index])
    TAPE.append((embedding_grad, y, (w, index)))
    return y


def embedding_grad(y, w, index):
    n, rows = len(w.rows[0]), {}
    for i, row in zip(index, y.grad):
        rows[i] = [a + b for a, b in zip(rows[i], row)] if i in rows else row
    grad = [0.0] * (n * len(w.rows))
    for i, row in rows.items():
        grad[i * n : i * n + n] = row
    w.gather(grad)


def add(a, b):
    """a + b: both get the output's gradient."""
    check_sum(a, b)
    y = Node([[ai + bi for ai, bi in zip(*rows)] for rows in zip(a.data, b.data)])
    TAPE.append((add_grad, y, (a, b)))
    return y


def add_grad(y, a, b):
    give(a, y.grad)
    give(b, y.grad)


def linear(x, w):
    """y_p = W · x_p, so dx_p = Wᵀ · dy_p and dW = Σ_p dy_p ⊗ x_p.

    Behind a relu many numbers of x are 0: the columns of W that they meet need not be added up, and no gradient is
    wanted there.
    """
    n_out, n_in = len(w.rows), len(w.rows[0])
    if len(x.data[0]) != n_in:
        raise ValueError(f"a matrix ({n_out}, {n_in}) cannot multiply the shape {shape(x)}")
    if x.gated and w.finite:
        y = Node(sparse_products(x.data, w.rows, columns(w.rows)))
    else:
        y = Node(in_rows(products(x.data, w.rows), n_out))
    TAPE.append((linear_grad, y, (x, w)))
    return y


def sparse_products(factors, rows, turned):
    """A·Bᵀ in rows, where many numbers of A are 0: (m, terms), (n, terms) and as (terms, n) → (m, n)."""
    terms, zero, sums_of_rows = len(turned), [0.0] * len(rows), []
    for row in factors:
        # sumprod over all terms is faster than an expression without the zeros until most of them are zeros
        if terms >= LONG and row.count(0.0) < terms * 5 / 8:
            sums_of_rows.append([sumprod(row, other) for other in rows])
        else:
            sums_of_rows.append(combine(zero, row, turned))
    return sums_of_rows


def linear_grad(y, x, w):
    w.gather(products(columns(y.grad), columns(x.data)))
    x.waiting.append((y.grad, w))


def settle(x):
    """dx_p += Σ Wᵀ · dy_p over all linears that read x, as one sum: the matrices lie one under the other."""
    rows = list(chain.from_iterable([w.rows for _, w in x.waiting]))
    if len(x.waiting) == 1:
        grads = x.waiting[0][0]
    else:
        grads = [list(chain.from_iterable(parts)) for parts in zip(*[grad for grad, _ in x.waiting])]
    turned = columns(rows)
    if x.gated:
        grads_of_x = []
        for grad, passed in zip(grads, x.data):
            sums = iter(products([grad], list(compress(turned, passed))))
            grads_of_x.append([next(sums) if xi else 0.0 for xi in passed])
    elif 0.0 in grads[0] and all(w.finite for _, w in x.waiting):
        grads_of_x = sparse_products(grads, turned, rows)
    else:
        grads_of_x = in_rows(products(grads, turned), len(rows[0]))
    x.waiting = []
    give(x, grads_of_x)


def rmsnorm(x):
    """y = x·s with s = (mean x² + ε)^−½: dx = s·dy − x · s³ · mean(x·dy)."""
    n = len(x.data[0])
    scales = [1.0 / sqrt(sumprod(row, row) / n + 1e-5) for row in x.data]
    y = Node([[xi * scale for xi in row] for row, scale in zip(x.data, scales)])
    TAPE.append((rmsnorm_grad, y, (x, scales)))
    return y


def rmsnorm_grad(y, x, scales):
    grads = []
    for row, grad, scale in zip(x.data, y.grad, scales):
        back = scale * scale * scale * sumprod(row, grad) / len(row)
        grads.append([scale * g - back * xi for g, xi in zip(grad, row)])
    give(x, grads)


def relu(x):
    """max(0, x): the gradient passes where the output is above 0."""
    y = Node([[xi if xi > 0.0 else 0.0 for xi in row] for row in x.data])
    y.gated = True
    TAPE.append((relu_grad, y, (x,)))
    return y


def relu_grad(y, x):
    give(x, [[g if yi else 0.0 for g, yi in zip(*rows)] for rows in zip(y.grad, y.data)])


def probabilities_of(rows):
    """softmax of each row, shifted by its largest number."""
    probabilities = []
    for row in rows:
        top = max(row)
        exps = [exp(xi - top) for xi in row]
        inverse = 1.0 / sum(exps)
        probabilities.append([e * inverse for e in exps])
    return probabilities


def attention(q, keys, values, n_head):
    """Per head and position, over its t entries: w = softmax(q·kₜ/√d), y = Σ wₜ·vₜ.

    dwₜ = dy·vₜ, and with rₜ = wₜ·(dwₜ − Σ wₜ·dwₜ)/√d: dq = Σ rₜ·kₜ. Over the positions p that see entry t: dkₜ = Σ rₚₜ·qₚ and
    dvₜ = Σ wₚₜ·dyₚ.
    """
    k_rows, v_rows, past = entries(q, keys, values, n_head)
    n = len(q.data[0])
    size, n_keys = n // n_head, len(k_rows)
    c = 1 / sqrt(size)
    zero = [0.0] * n_keys
    heads, parts = [], []
    for start in range(0, n, size):
        q_h, k_h, v_h = (part(rows, start, start + size) for rows in (q.data, k_rows, v_rows))
        # what lies ahead of a position is cut off its scores, and has weight 0
        scores = in_rows([s * c for s in products(q_h, k_h)], n_keys)
        weights = probabilities_of([row[:seen] for seen, row in enumerate(scores, past + 1)])
        weights = [row + zero[len(row) :] for row in weights]
        parts.append(in_rows(products(weights, columns(v_h)), size))
        heads.append((start, start + size, q_h, k_h, v_h, weights))
    y = Node(side_by_side(parts))
    TAPE.append((attention_grad, y, (q, tuple(keys), tuple(values), heads, c)))
    return y


def attention_grad(y, q, keys, values, heads, c):
    dq, dk, dv = [], [], []
    for start, stop, q_h, k_h, v_h, weights in heads:
        grads, size = part(y.grad, start, stop), stop - start
        scores = []
        for row, dw in zip(weights, in_rows(products(grads, v_h), len(v_h))):
            mean = sumprod(row, dw)
            scores.append([c * w * (d - mean) for w, d in zip(row, dw)])
        dq.append(in_rows(products(scores, columns(k_h)), size))
        dk.append(in_rows(products(columns(scores), columns(q_h)), size))
        dv.append(in_rows(products(columns(weights), columns(grads)), size))
    give(q, side_by_side(dq))
    for entry, rows in (*by_entry(keys, side_by_side(dk)), *by_entry(values, side_by_side(dv))):
        give(entry, rows)


def softmax(x):
    """p = softmax(x): dxᵢ = pᵢ·(dpᵢ − Σ pⱼ·dpⱼ)."""
    y = Node(probabilities_of(x.data))
    TAPE.append((softmax_grad, y, (x,)))
    return y


def softmax_grad(y, x):
    grads = []
    for row, grad in zip(y.data, y.grad):
        mean = sumprod(row, grad)
        grads.append([p * (g - mean) for p, g in zip(row, grad)])
    give(x, grads)


def cross_entropy(logits, target):
    """log Σ exp(x − max x) − (x_target − max x) per position, which no logits overflow: dx = g·(softmax(x) − onehot)."""
    target = targets_of(target, logits)
    saved, losses = [], []
    for row, t in zip(logits.data, target):
        top = max(row)
        exps = [exp(xi - top) for xi in row]
        total = sum(exps)
        losses.append(log(total) - (row[t] - top))
        saved.append((exps, total))
    y = Node(losses)
    TAPE.append((cross_entropy_grad, y, (logits, target, saved)))
    return y


def cross_entropy_grad(y, logits, target, saved):
    grads = []
    for g, t, (exps, total) in zip(y.grad, target, saved):
        scale = g / total
        row = [e * scale for e in exps]
        row[t] -= g
        grads.append(row)
    give(logits, grads)


def mean(losses):
    """(1/n) · Σ over all numbers of all entries: each gets 1/n of the gradient."""
    numbers = list(chain.from_iterable(loss.data for loss in losses))
    n = len(numbers)
    y = Node(1 / n * sum(numbers))
    TAPE.append((mean_grad, y, (tuple(losses), n)))
    return y


def mean_grad(y, losses, n):
    for loss in losses:
        grad = [1 / n * y.grad] * len(loss.data)
        loss.grad = grad if loss.grad is None else [a + b for a, b in zip(loss.grad, grad)]


# --------------------------------------------------------------------- the graph's life


def backward(loss):
    """Each node hands its gradient on and forgets it; the matrices keep theirs."""
    if not isinstance(loss.data, float):
        raise ValueError(f"backward starts from one number, a mean of losses: got {len(loss.data)}")
    loss.grad = 1.0
    for chain_rule, y, known in reversed(TAPE):
        if y.waiting:
            settle(y)
        if y.grad is not None:
            chain_rule(y, *known)
            y.grad = None


def probabilities(logits, temperature):
    if len(logits.data) != 1:
        raise ValueError(f"probabilities are of one position, not of {len(logits.data)}")
    return probabilities_of([[x / temperature for x in logits.data[0]]])[0]


# --------------------------------------------------------------------- Adam, for lines of sixteen numbers
# fmt: off


def first_moments(beta, moments, grads):
    return [
        (
            b * m0 + g0, b * m1 + g1, b * m2 + g2, b * m3 + g3,
            b * m4 + g4, b * m5 + g5, b * m6 + g6, b * m7 + g7,
            b * m8 + g8, b * m9 + g9, b * m10 + g10, b * m11 + g11,
            b * m12 + g12, b * m13 + g13, b * m14 + g14, b * m15 + g15,
        )
        for b in (beta,)
        for (m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15),
            (g0, g1, g2, g3, g4, g5, g6, g7, g8, g9, g10, g11, g12, g13, g14, g15) in zip(moments, grads)
    ]


def second_moments(beta, moments, grads):
    return [
        (
            b * v0 + g0 * g0, b * v1 + g1 * g1, b * v2 + g2 * g2, b * v3 + g3 * g3,
            b * v4 + g4 * g4, b * v5 + g5 * g5, b * v6 + g6 * g6, b * v7 + g7 * g7,
            b * v8 + g8 * g8, b * v9 + g9 * g9, b * v10 + g10 * g10, b * v11 + g11 * g11,
            b * v12 + g12 * g12, b * v13 + g13 * g13, b * v14 + g14 * g14, b * v15 + g15 * g15,
        )
        for b in (beta,)
        for (v0, v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11, v12, v13, v14, v15),
            (g0, g1, g2, g3, g4, g5, g6, g7, g8, g9, g10, g11, g12, g13, g14, g15) in zip(moments, grads)
    ]


def updated(weights, first, second, rate, eps):
    return [
        (
            x0 - r * m0 / (root(v0) + e), x1 - r * m1 / (root(v1) + e),
            x2 - r * m2 / (root(v2) + e), x3 - r * m3 / (root(v3) + e),
            x4 - r * m4 / (root(v4) + e), x5 - r * m5 / (root(v5) + e),
            x6 - r * m6 / (root(v6) + e), x7 - r * m7 / (root(v7) + e),
            x8 - r * m8 / (root(v8) + e), x9 - r * m9 / (root(v9) + e),
            x10 - r * m10 / (root(v10) + e), x11 - r * m11 / (root(v11) + e),
            x12 - r * m12 / (root(v12) + e), x13 - r * m13 / (root(v13) + e),
            x14 - r * m14 / (root(v14) + e), x15 - r * m15 / (root(v15) + e),
        )
        for r, e, root in ((rate, eps, sqrt),)
        for (x0, x1, x2, x3, x4, x5, x6, x7, x8, x9, x10, x11, x12, x13, x14, x15),
            (m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15),
            (v0, v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11, v12, v13, v14, v15) in zip(weights, first, second)
    ]


# fmt: on


class Adam(LinesOfSixteen):
    """Adam over lines of sixteen weights, whatever rows they are of, with all that is constant in a step taken together."""

    def update(self, t, learning_rate, corrections=None, shrink=1.0, decay=1.0):
        beta1, beta2 = self.beta1, self.beta2
        # moments of the plain gradient: what weighs it, and the corrections for t, are constants of the step
        correction1, correction2 = corrections or (1 - beta1**t, 1 - beta2**t)
        scale = sqrt((1 - beta2) / correction2)
        rate = learning_rate * (1 - beta1) / correction1 / scale
        grads = self.gradients(shrink)
        self.decay(decay)
        self.m = first_moments(beta1, self.m, grads)
        self.v = second_moments(beta2, self.v, grads)
        self.data = updated(self.data, self.m, self.v, rate, self.eps / scale)
        self.place()

    def load(self, weights, m, v, t):
        rest1, rest2 = 1 - self.beta1, 1 - self.beta2
        super().load(weights, [x / rest1 for x in m], [x / rest2 for x in v], t)


ENGINE = Engine(
    name="vector",
    summary="whole activations as nodes, on lists of floats, in any order of operations",
    parent="vector_exact",
    change="any order of operations: sumprod, roots for powers, chain rules in closed form",
    parity=Parity.ROUNDING,
    batched=True,
    embedding=embedding,
    add=add,
    linear=linear,
    rmsnorm=rmsnorm,
    relu=relu,
    softmax=softmax,
    attention=attention,
    cross_entropy=cross_entropy,
    mean=mean,
    probabilities=probabilities,
    backward=backward,
    reset=TAPE.clear,
    no_graph=partial(without_tape, globals()),
    count_nodes=partial(count_reached, TAPE),
    matrix=Matrix,
    read_values=read_values,
    read_gradients=read_gradients,
    optimizer=Adam,
)
