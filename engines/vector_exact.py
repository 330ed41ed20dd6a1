"""Whole activations as nodes, in plain Python: lists of floats, every position of a document at once.

A node is an activation (positions, n); a step leaves some thirty of them on the tape where the reference makes fifty
thousand (nodes, in the tables of ``run``). What a scalar node cost (an object, two tuples, its share of the sort and of the garbage collector) is paid
per op, and what is left is arithmetic. Most of it are sums of products, in three roles: activations times rows of
weights, gradients times their columns, and for the weights' own gradient a sum over positions. What matters there:

- a sum is one expression over numbers in locals, written out for up to eight and for sixteen terms (in
  `unrolled_products`); longer ones go in parts;
- whole matrices go into such a product, so that one comprehension makes all sums of an op;
- behind a relu half of the numbers are zero, and more later: `combine` adds only the vectors behind the others;
- few objects live long, so the collector has next to nothing to do: a step runs as fast with it off.

The rest is Adam, almost a third (`microgpt-bench profile vector_exact`): two powers and three divisions per weight, which no version specializes. It goes over all
weights in lines of sixteen, written out as well.

Not faster where an activation holds a few numbers only: a call and some lists per op cost as much as some ten nodes.

Every bit is the reference's. Its graph is sorted by a depth-first search and walked in reverse, so consumers hand
gradients to a number in the reverse of the order in which the search finished them. Sums that show this:

- all sums of the forward pass run left to right, without ``sum()``, which compensates rounding from CPython 3.12 on;
- the search finishes a position before it begins the next, so what gathers over positions (each weight, and keys and
  values, which later positions read) gathers from the last position to the first;
- inside a position it enters each vector at its first number and reaches the inner nodes of an op before the results,
  so a number gathers from its last consumer to its first: a product from the matrix's last row to its first, a
  residual from the skip, then rmsnorm's products, then its squares, each square twice. Walking the tape in reverse does
  the same between ops;
- two ops visit their inputs out of turn. The cross-entropy reaches the target's logit before all others, so the
  target's row of the last matrix adds its share last. Attention goes head by head: queries, keys, values of one
  before those of the next (and at the very first position query and key by turns: q₀ k₀ q₁ k₁ …). The three matrices
  that made them read the same vector, whose gradient therefore merges their rows: see `settle`.

Powers are the reference's own: ``g**2.0`` (the same C function as ``g**2``), ``v**0.5``, ``total**-1``. With glibc 2.36
``x**2`` differs from ``x*x`` in the last bit for some numbers and ``x**0.5`` from ``sqrt(x)`` likewise,
subnormal numbers included, so neither may stand for the other. Another graph than the fixed GPT's gets right gradients
too, in an order of its own.
"""

from functools import lru_cache, partial
from itertools import chain, compress
from math import exp, log
from operator import itemgetter

from bench.workload.engine import Engine, Parity, without_tape
from engines.activation_rows import (
    by_entry,
    check_sum,
    count_reached,
    entries,
    indices,
    shape,
    targets_of,
)
from engines.dot_products import dot
from engines.unrolled_products import columns, combine, in_rows, part, products, side_by_side
from engines.weight_rows import LinesOfSixteen, Matrix, read_gradients, read_values

TAPE = []  # (chain rule, output, inputs and what the chain rule wants to know), oldest first


class Node:
    """An activation (positions, n) as rows, one number per position, or one number; ``grad`` is None until one arrives."""

    __slots__ = ("data", "gated", "grad", "visit", "waiting")

    def __init__(self, data):
        self.data = data
        self.grad = None
        self.gated = False  # a relu's output: no gradient is wanted where it is 0
        self.visit = None  # during backward: how a consumer that goes out of turn has reached these rows
        self.waiting = []  # during backward: shares of linears whose sums must be merged


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
    if w.share is not None and len(w.share[0]) == len(index):
        # The matrix is the last one too (tied): at each position, from the last to the first, the linear's share of a row
        # comes before the embedding's.
        positions = [*zip(index, *w.share, y.grad)][::-1]
        for i in set(index):
            total = [0.0] * n
            for read, xs, factors, grad in positions:
                total = [t + factors[i] * x for t, x in zip(total, xs)]
                if read == i:
                    total = [t + g for t, g in zip(total, grad)]
            w.grad[i * n : i * n + n] = total
        w.share = None
        return
    for i, row in zip(reversed(index), reversed(y.grad)):
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

    Behind a relu about half of x is 0: only the other columns of W are added up, and only they hand back a gradient.
    """
    n_out, n_in = len(w.rows), len(w.rows[0])
    if len(x.data[0]) != n_in:
        raise ValueError(f"a matrix ({n_out}, {n_in}) cannot multiply the shape {shape(x)}")
    if x.gated and w.finite:
        zero, w_columns = [0.0] * n_out, columns(w.rows)
        y = Node([combine(zero, row, w_columns) for row in x.data])
    else:
        y = Node(in_rows(products(x.data, w.rows), n_out))
    TAPE.append((linear_grad, y, (x, w)))
    return y


def linear_grad(y, x, w):
    # over all positions at once, from the last to the first
    w.share = None if w.grad else (x.data, y.grad)
    w.gather(products(columns(y.grad[::-1]), columns(x.data[::-1])))
    if y.visit is None:
        add_products(x, [row[::-1] for row in y.grad], w.rows[::-1], 0.0 in y.grad[0] and w.finite)
    elif y.visit[0] == "target first":
        add_products_target_last(x, y.grad, w, y.visit[1])
    else:
        x.waiting.append((*y.visit, y.grad, w))


def add_products(x, factors, rows, sparse=False):
    """dx_p += Σ factors_p[k] · rows[k], in this order: (positions, terms), (terms, n)."""
    if sparse or x.grad is not None:
        x.grad = [combine(start, row, rows) for start, row in zip(start_of(x), factors)]
    elif x.gated:
        turned, x.grad = columns(rows), []
        for row, passed in zip(factors, x.data):
            sums = iter(products([row], list(compress(turned, passed))))
            x.grad.append([next(sums) if xi else 0.0 for xi in passed])
    else:
        x.grad = in_rows(products(factors, columns(rows)), len(rows[0]))


def add_products_target_last(x, grad, w, targets):
    """The same with one row's share, another one for each position, at the end."""
    others = [list(row) for row in grad]
    for row, target in zip(others, targets):
        row[target] = 0.0
        row.reverse()
    add_products(x, others, w.rows[::-1])
    last = [(row[target], w.rows[target]) for row, target in zip(grad, targets)]
    x.grad = [[s + factor * wi for s, wi in zip(start, row)] for start, (factor, row) in zip(x.grad, last)]


def start_of(x):
    return [[0.0] * len(x.data[0])] * len(x.data) if x.grad is None else x.grad


def settle(x):
    """Add what waits for x: the shares of the linears that made an attention's queries, keys and values from x.

    Each position of dx gathers from the last head to the first; in a head from its values, its keys and its
    queries, each from the last row of its matrix to the first.
    """
    while x.waiting:
        visitor = x.waiting[0][1]
        # where several have the same role, the rest comes in the next round
        by_role = {share[0]: share for share in reversed(x.waiting) if share[1] is visitor}
        x.waiting = [share for share in x.waiting if not any(share is first for first in by_role.values())]
        shares = [by_role[role] for role in "qkv" if role in by_role]
        roles = "".join(share[0] for share in shares)
        grads = [list(chain.from_iterable(rows)) for rows in zip(*[share[2] for share in shares])]
        rows = list(chain.from_iterable(share[3].rows for share in shares))
        n, (n_head, alone) = len(grads[0]) // len(roles), visitor
        order, first = merged_order(roles, n, n_head, False), merged_order(roles, n, n_head, True)
        if alone:  # the first position on its own
            begin = combine(start_of(x)[0], first(grads[0]), first(rows))
        add_products(x, [*map(order, grads)], order(rows))
        if alone:
            x.grad[0] = begin


@lru_cache(maxsize=64)
def merged_order(roles, n, n_head, by_turns):
    """Picks the rows of these matrices, one under the other, in the order in which they add to their input's gradient."""
    size = n // n_head
    order = []
    for head in reversed(range(n_head)):
        by_role = {
            role: [m * n + i for i in reversed(range(head * size, (head + 1) * size))] for m, role in enumerate(roles)
        }
        order += by_role.get("v", [])
        if by_turns:
            order += chain.from_iterable(zip(*[by_role[role] for role in "kq" if role in roles]))
        else:
            order += by_role.get("k", []) + by_role.get("q", [])
    return itemgetter(*order) if len(order) > 1 else lambda row: (row[order[0]],)


def rmsnorm(x):
    """y = x·s with s = (mean x² + ε)^−½: ds = Σ xᵢ·dyᵢ, d Σx² = −½·(mean x² + ε)^−3⁄2 · ds / n, dxᵢ = s·dyᵢ + 2·xᵢ·d Σx²."""
    per_n = len(x.data[0]) ** -1
    bases = [dot(row, row) * per_n + 1e-5 for row in x.data]
    scales = [base**-0.5 for base in bases]
    y = Node([[xi * scale for xi in row] for row, scale in zip(x.data, scales)])
    TAPE.append((rmsnorm_grad, y, (x, bases, scales, per_n)))
    return y


def rmsnorm_grad(y, x, bases, scales, per_n):
    grads = []
    for start, row, grad, base, scale in zip(start_of(x), x.data, y.grad, bases, scales):
        d_squares = per_n * (-0.5 * base**-1.5 * dot(reversed(row), reversed(grad)))
        # once for each factor of a square: doubling would round differently
        grads.append([s + scale * g + (d := xi * d_squares) + d for s, g, xi in zip(start, grad, row)])
    x.grad = grads


def relu(x):
    """max(0, x): the gradient passes where the output is above 0."""
    y = Node([[xi if xi > 0.0 else 0.0 for xi in row] for row in x.data])
    y.gated = True
    TAPE.append((relu_grad, y, (x,)))
    return y


def relu_grad(y, x):
    give(x, [[g if yi else 0.0 for g, yi in zip(*rows)] for rows in zip(y.grad, y.data)])


def exponentials(rows):
    """Of each row: exp(x − max x), their sums from left to right, and the sums' inverses."""
    exps = [[exp(xi - top) for xi in row] for row, top in zip(rows, map(max, rows))]
    totals = []
    for row in exps:
        total = 0.0
        for e in row:
            total += e
        totals.append(total)
    return exps, totals, [total**-1 for total in totals]


def attention(q, keys, values, n_head):
    """Per head and position, over its t entries: sₜ = c·q·kₜ with c = 1/√d, eₜ = exp(sₜ − max), wₜ = eₜ·(Σe)⁻¹, y = Σ wₜ·vₜ.

    dwₜ = dy·vₜ, d(Σe) = −(Σe)⁻² · Σ eₜ·dwₜ, deₜ = (Σe)⁻¹·dwₜ + d(Σe), and with rₜ = c·eₜ·deₜ: dq = Σ rₜ·kₜ. Over the
    positions p that see entry t: dkₜ = Σ rₚₜ·qₚ and dvₜ = Σ wₚₜ·dyₚ.
    """
    k_rows, v_rows, past = entries(q, keys, values, n_head)
    n = len(q.data[0])
    size, n_keys = n // n_head, len(k_rows)
    c = (size**0.5) ** -1
    zero = [0.0] * n_keys
    heads, parts = [], []
    for start in range(0, n, size):
        q_h, k_h, v_h = (part(rows, start, start + size) for rows in (q.data, k_rows, v_rows))
        # what lies ahead of a position is cut off its scores, and has weight 0
        scores = in_rows([s * c for s in products(q_h, k_h)], n_keys)
        exps, totals, inverses = exponentials([row[:seen] for seen, row in enumerate(scores, past + 1)])
        weights = [[e * inverse for e in row] + zero[len(row) :] for row, inverse in zip(exps, inverses)]
        parts.append(in_rows(products(weights, columns(v_h)), size))
        heads.append((start, start + size, q_h, k_h, v_h, exps, totals, inverses, weights))
    y = Node(side_by_side(parts))
    TAPE.append((attention_grad, y, (q, tuple(keys), tuple(values), heads, c, past)))
    return y


def attention_grad(y, q, keys, values, heads, c, past):
    dq, dk, dv = [], [], []
    for start, stop, q_h, k_h, v_h, exps, totals, inverses, weights in heads:
        # every number's share of a sum over j, t or p comes from its last term to its first
        grads, size, n_keys = part(y.grad, start, stop), stop - start, len(k_h)
        zero = [0.0] * n_keys
        shares = in_rows(products([row[::-1] for row in grads], [row[::-1] for row in v_h]), n_keys)
        scores = []
        for dw, row, total, inverse in zip(shares, exps, totals, inverses):
            pairs = list(zip(row, dw))
            local, d_total = -1 * total**-2, 0.0
            for e, d in reversed(pairs):
                d_total += local * (e * d)  # the reference divides each e anew, so its shares are added one by one
            scores.append([c * (e * (inverse * d + d_total)) for e, d in pairs] + zero[len(row) :])
        dq.append(in_rows(products([row[::-1] for row in scores], columns(k_h[::-1])), size))
        dk.append(in_rows(products(columns(scores[::-1]), columns(q_h[::-1])), size))
        dv.append(in_rows(products(columns(weights[::-1]), columns(grads[::-1])), size))
    give(q, side_by_side(dq))
    for entry, rows in (*by_entry(keys, side_by_side(dk)), *by_entry(values, side_by_side(dv))):
        give(entry, rows)
    visitor = len(heads), past == 0  # a new tuple: its identity tells this attention from others
    q.visit = "q", visitor
    for k in keys:
        k.visit = "k", visitor
    for v in values:
        v.visit = "v", visitor


def softmax(x):
    """exp(x − max) · (Σe)⁻¹: with pᵢ the output, dxᵢ = eᵢ·((Σe)⁻¹·dpᵢ − (Σe)⁻² · Σ eⱼ·dpⱼ)."""
    exps, totals, inverses = exponentials(x.data)
    y = Node([[e * inverse for e in row] for row, inverse in zip(exps, inverses)])
    TAPE.append((softmax_grad, y, (x, exps, totals, inverses)))
    return y


def softmax_grad(y, x, exps, totals, inverses):
    grads = []
    for row, total, inverse, grad in zip(exps, totals, inverses, y.grad):
        d_total = -1 * total**-2 * dot(reversed(row), reversed(grad))
        grads.append([e * (inverse * g + d_total) for e, g in zip(row, grad)])
    give(x, grads)


def cross_entropy(logits, target):
    """−log(e_target·(Σe)⁻¹) per position: with its gradient g and p the probability, dp = −g/p, d(Σe) = −(Σe)⁻²·e_target·dp.

    Every logit gets eᵢ·d(Σe), the target's e_target·((Σe)⁻¹·dp + d(Σe)).
    """
    target = targets_of(target, logits)
    exps, totals, inverses = exponentials(logits.data)
    chosen = [row[t] * inverse for row, inverse, t in zip(exps, inverses, target)]
    y = Node([-log(p) for p in chosen])
    TAPE.append((cross_entropy_grad, y, (logits, target, exps, totals, inverses, chosen)))
    return y


def cross_entropy_grad(y, logits, target, exps, totals, inverses, chosen):
    grads = []
    for g, t, row, total, inverse, p in zip(y.grad, target, exps, totals, inverses, chosen):
        d_p = 1 / p * (-1 * g)
        d_total = -1 * total**-2 * (row[t] * d_p)
        shares = [e * d_total for e in row]
        shares[t] = row[t] * (inverse * d_p + d_total)
        grads.append(shares)
    give(logits, grads)
    logits.visit = "target first", target


def mean(losses):
    """(1/n) · Σ over all numbers of all entries: each gets 1/n of the gradient."""
    numbers = list(chain.from_iterable(loss.data for loss in losses))
    n = len(numbers)
    y = Node(1 / n * dot(numbers, [1.0] * n))
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
            y.grad = y.visit = None


def probabilities(logits, temperature):
    if len(logits.data) != 1:
        raise ValueError(f"probabilities are of one position, not of {len(logits.data)}")
    inverse_temperature = temperature**-1
    (exps,), _, (inverse,) = exponentials([[x * inverse_temperature for x in logits.data[0]]])
    return [e * inverse for e in exps]


# --------------------------------------------------------------------- Adam, for lines of sixteen numbers
# fmt: off


def first_moments(beta, moments, grads):
    return [
        (
            b * m0 + r * g0, b * m1 + r * g1, b * m2 + r * g2, b * m3 + r * g3,
            b * m4 + r * g4, b * m5 + r * g5, b * m6 + r * g6, b * m7 + r * g7,
            b * m8 + r * g8, b * m9 + r * g9, b * m10 + r * g10, b * m11 + r * g11,
            b * m12 + r * g12, b * m13 + r * g13, b * m14 + r * g14, b * m15 + r * g15,
        )
        for b, r in ((beta, 1 - beta),)
        for (m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15),
            (g0, g1, g2, g3, g4, g5, g6, g7, g8, g9, g10, g11, g12, g13, g14, g15) in zip(moments, grads)
    ]


def second_moments(beta, moments, grads):
    return [
        (
            b * v0 + r * g0**2.0, b * v1 + r * g1**2.0, b * v2 + r * g2**2.0, b * v3 + r * g3**2.0,
            b * v4 + r * g4**2.0, b * v5 + r * g5**2.0, b * v6 + r * g6**2.0, b * v7 + r * g7**2.0,
            b * v8 + r * g8**2.0, b * v9 + r * g9**2.0, b * v10 + r * g10**2.0, b * v11 + r * g11**2.0,
            b * v12 + r * g12**2.0, b * v13 + r * g13**2.0, b * v14 + r * g14**2.0, b * v15 + r * g15**2.0,
        )
        for b, r in ((beta, 1 - beta),)
        for (v0, v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11, v12, v13, v14, v15),
            (g0, g1, g2, g3, g4, g5, g6, g7, g8, g9, g10, g11, g12, g13, g14, g15) in zip(moments, grads)
    ]


def updated(weights, first, second, rate, correction1, correction2, eps):
    return [
        (
            x0 - r * (m0 / c) / ((v0 / d) ** 0.5 + e), x1 - r * (m1 / c) / ((v1 / d) ** 0.5 + e),
            x2 - r * (m2 / c) / ((v2 / d) ** 0.5 + e), x3 - r * (m3 / c) / ((v3 / d) ** 0.5 + e),
            x4 - r * (m4 / c) / ((v4 / d) ** 0.5 + e), x5 - r * (m5 / c) / ((v5 / d) ** 0.5 + e),
            x6 - r * (m6 / c) / ((v6 / d) ** 0.5 + e), x7 - r * (m7 / c) / ((v7 / d) ** 0.5 + e),
            x8 - r * (m8 / c) / ((v8 / d) ** 0.5 + e), x9 - r * (m9 / c) / ((v9 / d) ** 0.5 + e),
            x10 - r * (m10 / c) / ((v10 / d) ** 0.5 + e), x11 - r * (m11 / c) / ((v11 / d) ** 0.5 + e),
            x12 - r * (m12 / c) / ((v12 / d) ** 0.5 + e), x13 - r * (m13 / c) / ((v13 / d) ** 0.5 + e),
            x14 - r * (m14 / c) / ((v14 / d) ** 0.5 + e), x15 - r * (m15 / c) / ((v15 / d) ** 0.5 + e),
        )
        for r, c, d, e in ((rate, correction1, correction2, eps),)
        for (x0, x1, x2, x3, x4, x5, x6, x7, x8, x9, x10, x11, x12, x13, x14, x15),
            (m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15),
            (v0, v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11, v12, v13, v14, v15) in zip(weights, first, second)
    ]


# fmt: on


class Adam(LinesOfSixteen):
    """Adam over lines of sixteen weights, whatever rows they are of, in the reference's order of operations."""

    def update(self, t, learning_rate, corrections=None, shrink=1.0, decay=1.0):
        correction1, correction2 = corrections or (1 - self.beta1**t, 1 - self.beta2**t)
        grads = self.gradients(shrink)
        self.decay(decay)
        self.m = first_moments(self.beta1, self.m, grads)
        self.v = second_moments(self.beta2, self.v, grads)
        self.data = updated(self.data, self.m, self.v, learning_rate, correction1, correction2, self.eps)
        self.place()


ENGINE = Engine(
    name="vector_exact",
    summary="whole activations as nodes, on lists of floats",
    parent="reference",
    change="vectors as nodes, all positions at once",
    parity=Parity.BIT_IDENTICAL,
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
