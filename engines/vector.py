"""`vector_exact` without the reference's order of operations: what its bits cost, given back.

A node is a whole activation (positions, n), sums of products are written out over numbers in locals, and zeros behind a
relu are passed over, all as in `vector_exact`. What may round differently here, largest gain first:

- Adam: ``g * g`` and ``sqrt(v)`` in place of powers, and all factors that are the same for every weight of a step taken
  together, which leaves one division per weight. Moments are sums of plain gradients, without 1 − β before them;
- sums of sixteen terms and more by `math.sumprod`, where it is there (CPython 3.12): as fast as an expression with
  sixteen terms and faster with more, although it rounds only once;
- everything that reads the same vector (queries, keys and values) hands back one gradient, as one longer sum, in no
  order of rows; no row is turned around;
- chain rules in closed form: softmax p·(dp − Σ p·dp), cross-entropy p − onehot, rmsnorm in two products per number.
  The cross-entropy takes log Σ exp, so that large logits do not end it in log(0).

Before CPython 3.12 only Adam and the chain rules are left, and on PyPy, where a power costs little, nothing is won.
Losses keep within 1e-12 of the reference's.
"""

import math
from functools import partial
from itertools import chain, compress
from math import exp, isfinite, log, sqrt

from bench.workload.engine import Engine, Parity, without_tape

TAPE = []  # (chain rule, output, inputs and what the chain rule wants to know), oldest first


class Node:
    """An activation (positions, n) as rows, one number per position, or one number; ``grad`` is None until one arrives."""

    __slots__ = ("data", "gated", "grad", "waiting")

    def __init__(self, data):
        self.data = data
        self.grad = None
        self.gated = False  # a relu's output: no gradient is wanted where it is 0
        self.waiting = []  # during backward: the linears that read these rows, with their gradients


class Matrix:
    """Weights (n_out, n_in) as rows, and their gradient, one flat list or None while it is zero."""

    __slots__ = ("_finite", "grad", "rows")

    def __init__(self, rows):
        rows = [tuple(map(float, row)) for row in rows]
        if not rows or not rows[0] or len(set(map(len, rows))) != 1:
            raise ValueError(f"a matrix has rows of numbers, all of one length: got the lengths {[*map(len, rows)]}")
        self.place(rows)

    def place(self, rows):
        self.rows, self.grad, self._finite = rows, None, None

    @property
    def finite(self):
        """Whether 0 times any row is 0; where not, no factor 0 may be passed over."""
        if self._finite is None:
            self._finite = isfinite(sum(map(sum, self.rows)))
        return self._finite

    @property
    def flat_grad(self):
        return self.grad or [0.0] * (len(self.rows) * len(self.rows[0]))

    def gather(self, grad):
        self.grad = [a + b for a, b in zip(self.grad, grad)] if self.grad else grad


# --------------------------------------------------------------------- sums of products

# The two families below do nearly all arithmetic: every sum is one expression, from left to right.
# fmt: off

# all dot products of rows of so many numbers: (m, terms), (n, terms) → m · n numbers


def products_1(a_rows, b_rows):
    return [a0 * b0 for (a0,) in a_rows for (b0,) in b_rows]


def products_2(a_rows, b_rows):
    return [a0 * b0 + a1 * b1 for a0, a1 in a_rows for b0, b1 in b_rows]


def products_3(a_rows, b_rows):
    return [a0 * b0 + a1 * b1 + a2 * b2 for a0, a1, a2 in a_rows for b0, b1, b2 in b_rows]


def products_4(a_rows, b_rows):
    return [a0 * b0 + a1 * b1 + a2 * b2 + a3 * b3 for a0, a1, a2, a3 in a_rows for b0, b1, b2, b3 in b_rows]


def products_5(a_rows, b_rows):
    return [
        a0 * b0 + a1 * b1 + a2 * b2 + a3 * b3 + a4 * b4
        for a0, a1, a2, a3, a4 in a_rows
        for b0, b1, b2, b3, b4 in b_rows
    ]


def products_6(a_rows, b_rows):
    return [
        a0 * b0 + a1 * b1 + a2 * b2 + a3 * b3 + a4 * b4 + a5 * b5
        for a0, a1, a2, a3, a4, a5 in a_rows
        for b0, b1, b2, b3, b4, b5 in b_rows
    ]


def products_7(a_rows, b_rows):
    return [
        a0 * b0 + a1 * b1 + a2 * b2 + a3 * b3 + a4 * b4 + a5 * b5 + a6 * b6
        for a0, a1, a2, a3, a4, a5, a6 in a_rows
        for b0, b1, b2, b3, b4, b5, b6 in b_rows
    ]


def products_8(a_rows, b_rows):
    return [
        a0 * b0 + a1 * b1 + a2 * b2 + a3 * b3 + a4 * b4 + a5 * b5 + a6 * b6 + a7 * b7
        for a0, a1, a2, a3, a4, a5, a6, a7 in a_rows
        for b0, b1, b2, b3, b4, b5, b6, b7 in b_rows
    ]


def products_16(a_rows, b_rows):
    return [
        a0 * b0 + a1 * b1 + a2 * b2 + a3 * b3 + a4 * b4 + a5 * b5 + a6 * b6 + a7 * b7
        + a8 * b8 + a9 * b9 + a10 * b10 + a11 * b11 + a12 * b12 + a13 * b13 + a14 * b14 + a15 * b15
        for a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15 in a_rows
        for b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, b10, b11, b12, b13, b14, b15 in b_rows
    ]


# the same, added onto the numbers of an iterator


def more_8(start, a_rows, b_rows):
    return [
        s + a0 * b0 + a1 * b1 + a2 * b2 + a3 * b3 + a4 * b4 + a5 * b5 + a6 * b6 + a7 * b7
        for a0, a1, a2, a3, a4, a5, a6, a7 in a_rows
        for (b0, b1, b2, b3, b4, b5, b6, b7), s in zip(b_rows, start)
    ]


def more_16(start, a_rows, b_rows):
    return [
        s + a0 * b0 + a1 * b1 + a2 * b2 + a3 * b3 + a4 * b4 + a5 * b5 + a6 * b6 + a7 * b7
        + a8 * b8 + a9 * b9 + a10 * b10 + a11 * b11 + a12 * b12 + a13 * b13 + a14 * b14 + a15 * b15
        for a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15 in a_rows
        for (b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, b10, b11, b12, b13, b14, b15), s in zip(b_rows, start)
    ]


# start + f₀·v₀ + f₁·v₁ + …, elementwise, for so many vectors


def sum_1(start, factors, vectors):
    return [s + a0 * b0 for (a0,) in (factors,) for s, b0 in zip(start, *vectors)]


def sum_2(start, factors, vectors):
    return [s + a0 * b0 + a1 * b1 for a0, a1 in (factors,) for s, b0, b1 in zip(start, *vectors)]


def sum_3(start, factors, vectors):
    return [s + a0 * b0 + a1 * b1 + a2 * b2 for a0, a1, a2 in (factors,) for s, b0, b1, b2 in zip(start, *vectors)]


def sum_4(start, factors, vectors):
    return [
        s + a0 * b0 + a1 * b1 + a2 * b2 + a3 * b3
        for a0, a1, a2, a3 in (factors,)
        for s, b0, b1, b2, b3 in zip(start, *vectors)
    ]


def sum_5(start, factors, vectors):
    return [
        s + a0 * b0 + a1 * b1 + a2 * b2 + a3 * b3 + a4 * b4
        for a0, a1, a2, a3, a4 in (factors,)
        for s, b0, b1, b2, b3, b4 in zip(start, *vectors)
    ]


def sum_6(start, factors, vectors):
    return [
        s + a0 * b0 + a1 * b1 + a2 * b2 + a3 * b3 + a4 * b4 + a5 * b5
        for a0, a1, a2, a3, a4, a5 in (factors,)
        for s, b0, b1, b2, b3, b4, b5 in zip(start, *vectors)
    ]


def sum_7(start, factors, vectors):
    return [
        s + a0 * b0 + a1 * b1 + a2 * b2 + a3 * b3 + a4 * b4 + a5 * b5 + a6 * b6
        for a0, a1, a2, a3, a4, a5, a6 in (factors,)
        for s, b0, b1, b2, b3, b4, b5, b6 in zip(start, *vectors)
    ]


def sum_8(start, factors, vectors):
    return [
        s + a0 * b0 + a1 * b1 + a2 * b2 + a3 * b3 + a4 * b4 + a5 * b5 + a6 * b6 + a7 * b7
        for a0, a1, a2, a3, a4, a5, a6, a7 in (factors,)
        for s, b0, b1, b2, b3, b4, b5, b6, b7 in zip(start, *vectors)
    ]


def sum_16(start, factors, vectors):
    return [
        s + a0 * b0 + a1 * b1 + a2 * b2 + a3 * b3 + a4 * b4 + a5 * b5 + a6 * b6 + a7 * b7
        + a8 * b8 + a9 * b9 + a10 * b10 + a11 * b11 + a12 * b12 + a13 * b13 + a14 * b14 + a15 * b15
        for a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15 in (factors,)
        for s, b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, b10, b11, b12, b13, b14, b15 in zip(start, *vectors)
    ]


# fmt: on

PRODUCTS = {
    1: products_1,
    2: products_2,
    3: products_3,
    4: products_4,
    5: products_5,
    6: products_6,
    7: products_7,
    8: products_8,
    16: products_16,
}
SUMS = {1: sum_1, 2: sum_2, 3: sum_3, 4: sum_4, 5: sum_5, 6: sum_6, 7: sum_7, 8: sum_8, 16: sum_16}


def products(a_rows, b_rows):
    """A·Bᵀ as one flat list: (m, terms), (n, terms) → m · n numbers."""
    terms = len(a_rows[0])
    if terms >= LONG:
        return [sumprod(a, b) for a in a_rows for b in b_rows]
    if terms in PRODUCTS:
        return PRODUCTS[terms](a_rows, b_rows)
    stop = terms % 16 or 16
    if stop > 8 and stop != 16:
        stop -= 8
    total = PRODUCTS[stop](part(a_rows, 0, stop), part(b_rows, 0, stop))
    while stop < terms:
        start, more, stop = (stop, more_16, stop + 16) if (terms - stop) % 16 == 0 else (stop, more_8, stop + 8)
        total = more(iter(total), part(a_rows, start, stop), part(b_rows, start, stop))
    return total


def part(rows, start, stop):
    return [row[start:stop] for row in rows]


def in_rows(numbers, n):
    return [numbers[i : i + n] for i in range(0, len(numbers), n)]


def columns(rows):
    return list(zip(*rows))


def combine(factors, vectors):
    """Σ factors[k]·vectors[k] without the terms with factor 0: (terms,), (terms, n) → (n,)."""
    start = [0.0] * len(vectors[0])
    vectors = list(compress(vectors, factors))
    factors = list(filter(None, factors))
    if len(factors) % 16 > 8:  # one sum of 16 terms is faster than one of 8 and another
        missing = -len(factors) % 16
        factors += [0.0] * missing
        vectors += vectors[:1] * missing
    for k in range(0, len(factors), 16):
        f = factors[k : k + 16]
        start = SUMS[len(f)](start, f, vectors[k : k + 16])
    return start


def sum_of_products(a, b):
    """In place of `math.sumprod`, which CPython has from 3.12 on."""
    total = 0.0
    for ai, bi in zip(a, b):
        total += ai * bi
    return total


sumprod = getattr(math, "sumprod", sum_of_products)
LONG = 16 if sumprod is not sum_of_products else math.inf  # so many terms are sooner added by sumprod than written out


def give(x, grad):
    """Add rows to a node's gradient. Out of place, because the first gradient may be another node's too."""
    if x.grad is not None:
        grad = [[a + b for a, b in zip(*rows)] for rows in zip(x.grad, grad)]
    x.grad = grad


# --------------------------------------------------------------------- the ops, each with its chain rule


def indices(index, limit):
    """One index or a sequence of them as a list. Raises IndexError outside 0 … limit − 1."""
    index = [index] if isinstance(index, int) else list(index)
    if min(index) < 0 or max(index) >= limit:
        raise IndexError(f"an index in {index} is outside 0 to {limit - 1}")
    return index


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
    if len(a.data) != len(b.data) or len(a.data[0]) != len(b.data[0]):
        raise ValueError(f"cannot add the shapes {shape(a)} and {shape(b)}")
    y = Node([[ai + bi for ai, bi in zip(*rows)] for rows in zip(a.data, b.data)])
    TAPE.append((add_grad, y, (a, b)))
    return y


def add_grad(y, a, b):
    give(a, y.grad)
    give(b, y.grad)


def shape(x):
    return len(x.data), len(x.data[0])


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
    terms, found = len(turned), []
    for row in factors:
        # sumprod over all terms is faster than an expression without the zeros until most of them are zeros
        if terms >= LONG and row.count(0.0) < terms * 5 / 8:
            found.append([sumprod(row, other) for other in rows])
        else:
            found.append(combine(row, turned))
    return found


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
        found = []
        for grad, passed in zip(grads, x.data):
            sums = iter(products([grad], list(compress(turned, passed))))
            found.append([next(sums) if xi else 0.0 for xi in passed])
    elif 0.0 in grads[0] and all(w.finite for _, w in x.waiting):
        found = sparse_products(grads, turned, rows)
    else:
        found = in_rows(products(grads, turned), len(rows[0]))
    x.waiting = []
    give(x, found)


def rmsnorm(x):
    """y = x·s with s = (mean x² + ε)^−½: dx = s·dy − x · s³ · mean(x·dy)."""
    n = len(x.data[0])
    scales = [1.0 / sqrt(sumprod(row, row) / n + 1e-5) for row in x.data]
    y = Node([[xi * scale for xi in row] for row, scale in zip(x.data, scales)])
    TAPE.append((rmsnorm_grad, y, (x, scales)))
    return y


def rmsnorm_grad(y, x, scales):
    found = []
    for row, grad, scale in zip(x.data, y.grad, scales):
        back = scale * scale * scale * sumprod(row, grad) / len(row)
        found.append([scale * g - back * xi for g, xi in zip(grad, row)])
    give(x, found)


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
    found = []
    for row in rows:
        top = max(row)
        exps = [exp(xi - top) for xi in row]
        inverse = 1.0 / sum(exps)
        found.append([e * inverse for e in exps])
    return found


def attention(q, keys, values, n_head):
    """Per head and position, over its t entries: w = softmax(q·kₜ/√d), y = Σ wₜ·vₜ.

    dwₜ = dy·vₜ, and with rₜ = wₜ·(dwₜ − Σ wₜ·dwₜ)/√d: dq = Σ rₜ·kₜ. Over the positions p that see entry t: dkₜ = Σ rₚₜ·qₚ and
    dvₜ = Σ wₚₜ·dyₚ.
    """
    n = len(q.data[0])
    k_rows = list(chain.from_iterable(k.data for k in keys))
    v_rows = list(chain.from_iterable(v.data for v in values))
    past = len(k_rows) - len(q.data)
    if n_head < 1 or n % n_head or len(k_rows) != len(v_rows) or past < 0 or {*map(len, k_rows + v_rows)} != {n}:
        raise ValueError(
            f"queries {shape(q)}, keys {[*map(shape, keys)]} and values {[*map(shape, values)]}"
            f" do not fit together and {n_head} heads"
        )
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


def side_by_side(heads):
    """(heads, positions, d) → (positions, heads · d)."""
    return [list(chain.from_iterable(rows)) for rows in zip(*heads)]


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
    give_entries(keys, side_by_side(dk))
    give_entries(values, side_by_side(dv))


def give_entries(entries, grad):
    """Each entry of the cache gets the gradient of its own positions."""
    start = 0
    for entry in entries:
        stop = start + len(entry.data)
        give(entry, grad[start:stop])
        start = stop


def softmax(x):
    """p = softmax(x): dxᵢ = pᵢ·(dpᵢ − Σ pⱼ·dpⱼ)."""
    y = Node(probabilities_of(x.data))
    TAPE.append((softmax_grad, y, (x,)))
    return y


def softmax_grad(y, x):
    found = []
    for row, grad in zip(y.data, y.grad):
        mean = sumprod(row, grad)
        found.append([p * (g - mean) for p, g in zip(row, grad)])
    give(x, found)


def cross_entropy(logits, target):
    """log Σ exp(x − max x) − (x_target − max x) per position, which no logits overflow: dx = g·(softmax(x) − onehot)."""
    target = indices(target, len(logits.data[0]))
    if len(target) != len(logits.data):
        raise ValueError(f"{len(target)} targets for {len(logits.data)} positions: give one each")
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
    found = []
    for g, t, (exps, total) in zip(y.grad, target, saved):
        scale = g / total
        row = [e * scale for e in exps]
        row[t] -= g
        found.append(row)
    give(logits, found)


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


def count_nodes(loss):
    """Operations and matrices that the loss depends on."""
    reached = {loss}
    for _, output, known in reversed(TAPE):
        if output in reached:
            for item in known:
                for part in item if isinstance(item, tuple) else (item,):
                    if isinstance(part, (Node, Matrix)):
                        reached.add(part)
    return len(reached)


def probabilities(logits, temperature):
    if len(logits.data) != 1:
        raise ValueError(f"probabilities are of one position, not of {len(logits.data)}")
    return probabilities_of([[x / temperature for x in logits.data[0]]])[0]


def read_values(w):
    return [list(row) for row in w.rows]


def read_gradients(w):
    return in_rows(w.flat_grad, len(w.rows[0]))


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


def in_lines(numbers):
    """Numbers in tuples of sixteen; fewer than sixteen at the end are left out."""
    return list(zip(*[iter(numbers)] * 16))


class Adam:
    """Adam over lines of sixteen weights, whatever rows they are of, with all that is constant in a step taken together."""

    def __init__(self, matrices, beta1, beta2, eps):
        self.matrices = list(matrices)
        self.beta1, self.beta2, self.eps = beta1, beta2, eps
        numbers = [x for w in self.matrices for row in w.rows for x in row]
        self.fill = [1.0] * (-len(numbers) % 16)  # weights and gradients of nothing; not 0, which may divide by 0
        self.data = in_lines(numbers + self.fill)
        self.m = self.v = [(0.0,) * 16] * len(self.data)

    def update(self, t, learning_rate, corrections=None, shrink=1.0, decay=1.0):
        beta1, beta2 = self.beta1, self.beta2
        # moments of the plain gradient: what weighs it, and the corrections for t, are constants of the step
        correction1, correction2 = corrections or (1 - beta1**t, 1 - beta2**t)
        scale = sqrt((1 - beta2) / correction2)
        rate = learning_rate * (1 - beta1) / correction1 / scale
        grads = in_lines(chain(*[w.flat_grad for w in self.matrices], self.fill))
        if shrink != 1.0:
            grads = [tuple([g * shrink for g in line]) for line in grads]
        if decay != 1.0:
            self.data = [tuple([x * decay for x in line]) for line in self.data]
        self.m = first_moments(beta1, self.m, grads)
        self.v = second_moments(beta2, self.v, grads)
        self.data = updated(self.data, self.m, self.v, rate, self.eps / scale)
        self.place()

    def place(self):
        """Give the matrices their rows."""
        start = 0
        for w in self.matrices:
            n_out, n_in = len(w.rows), len(w.rows[0])
            stop = start + n_out * n_in
            rows = self.data[start // 16 : -(-stop // 16)]
            if n_in != 16 or start % 16:
                numbers = list(chain.from_iterable(rows))[start % 16 :]
                rows = list(zip(*[iter(numbers[: stop - start])] * n_in))
            w.place(rows)
            start = stop

    def snapshot(self):
        return self.data, self.m, self.v  # an update makes new lists, so these stay

    def restore(self, snapshot):
        self.data, self.m, self.v = snapshot
        self.place()


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
    count_nodes=count_nodes,
    matrix=Matrix,
    read_values=read_values,
    read_gradients=read_gradients,
    optimizer=Adam,
)
