"""Whole activations as nodes, in plain Python: lists of floats, every position of a document at once.

A node is an activation (positions, n); a step leaves some twenty of them on the tape where the reference makes sixty
thousand. What a scalar node cost (an object, two tuples, its share of the sort and of the garbage collector) is paid
per op, and what is left is arithmetic. Nearly all of that is one sum, f₀·v₀ + f₁·v₁ + …, of vectors: a product of
matrices forwards and backwards, attention's mix of values, a weight's gradient over all positions. It is written out
for up to eight terms, so that the interpreter does little but multiply and add, and it passes over terms with
factor 0: behind a closed relu lies a whole vector. Weights and Adam's moments lie in flat lists.

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

Powers are the reference's own: ``g**2``, ``v**0.5``, ``total**-1``. With glibc 2.36 ``x**2`` differs from ``x*x`` in
the last bit for about one number in 1,200 and ``x**0.5`` from ``sqrt(x)`` likewise, subnormal numbers included, so
neither may stand for the other. Another graph than the fixed GPT's gets right gradients too, in an order of its own.
"""

import math
from functools import lru_cache
from itertools import chain, compress
from operator import itemgetter

from bench.workload.engine import Engine, Parity

TAPE = []  # (chain rule, output, inputs and what the chain rule wants to know), oldest first


class Node:
    """An activation (positions, n) as rows, one number per position, or one number; ``grad`` is None until one arrives."""

    __slots__ = ("data", "grad", "visit", "waiting")

    def __init__(self, data):
        self.data = data
        self.grad = None
        self.visit = None  # during backward: how a consumer that goes out of turn has reached these rows
        self.waiting = []  # during backward: shares of linears whose sums must be merged


class Matrix:
    """Weights (n_out, n_in) as rows, and their gradient, a list of rows or None while it is zero."""

    __slots__ = ("_columns", "grad", "rows")

    def __init__(self, rows):
        rows = [tuple(map(float, row)) for row in rows]
        if not rows or not rows[0] or len(set(map(len, rows))) != 1:
            raise ValueError(f"a matrix has rows of numbers, all of one length: got the lengths {[*map(len, rows)]}")
        self.place(rows)

    def place(self, rows):
        self.rows, self._columns, self.grad = rows, None, None

    @property
    def columns(self):
        if self._columns is None:
            self._columns = list(zip(*self.rows))
        return self._columns


# --------------------------------------------------------------------- sums of vectors

# s + f₀·v₀ + f₁·v₁ + …, elementwise and from left to right, for so many terms


def sum_1(s, f, v):
    (a,) = f
    return [s + a * i for s, i in zip(s, *v)]


def sum_2(s, f, v):
    a, b = f
    return [s + a * i + b * j for s, i, j in zip(s, *v)]


def sum_3(s, f, v):
    a, b, c = f
    return [s + a * i + b * j + c * k for s, i, j, k in zip(s, *v)]


def sum_4(s, f, v):
    a, b, c, d = f
    return [s + a * i + b * j + c * k + d * q for s, i, j, k, q in zip(s, *v)]


def sum_5(s, f, v):
    a, b, c, d, e = f
    return [s + a * i + b * j + c * k + d * q + e * m for s, i, j, k, q, m in zip(s, *v)]


def sum_6(s, f, v):
    a, b, c, d, e, g = f
    return [s + a * i + b * j + c * k + d * q + e * m + g * n for s, i, j, k, q, m, n in zip(s, *v)]


def sum_7(s, f, v):
    a, b, c, d, e, g, h = f
    return [s + a * i + b * j + c * k + d * q + e * m + g * n + h * o for s, i, j, k, q, m, n, o in zip(s, *v)]


def sum_8(s, f, v):
    a, b, c, d, e, g, h, t = f
    return [
        s + a * i + b * j + c * k + d * q + e * m + g * n + h * o + t * p for s, i, j, k, q, m, n, o, p in zip(s, *v)
    ]


SUMS = (None, sum_1, sum_2, sum_3, sum_4, sum_5, sum_6, sum_7, sum_8)


def combine(start, factors, vectors):
    """start + Σ factors[k]·vectors[k], left to right: (n,), (terms,), (terms, n) → (n,).

    Adding 0·v changes no finite sum, so those terms are left out.
    """
    vectors = list(compress(vectors, factors))
    factors = list(filter(None, factors))
    total = start
    for k in range(0, len(factors), 8):
        f = factors[k : k + 8]
        total = SUMS[len(f)](total, f, vectors[k : k + 8])
    return total


def dot(a, b):
    """Σ aᵢ·bᵢ, left to right."""
    total = 0.0
    for ai, bi in zip(a, b):
        total += ai * bi
    return total


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
    grad = gradient_of(w)
    for i, row in zip(reversed(index), reversed(y.grad)):
        grad[i] = [a + b for a, b in zip(grad[i], row)]


def gradient_of(w):
    if w.grad is None:
        zero = [0.0] * len(w.rows[0])
        w.grad = [zero] * len(w.rows)  # rows are replaced, never changed
    return w.grad


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
    """y_p = Σᵢ x_pᵢ · column i of W, so dx_p = Σ_o dy_p_o · row o of W and d row o = Σ_p dy_p_o · x_p."""
    if len(x.data[0]) != len(w.rows[0]):
        raise ValueError(f"a matrix ({len(w.rows)}, {len(w.rows[0])}) cannot multiply the shape {shape(x)}")
    columns, zero = w.columns, [0.0] * len(w.rows)
    y = Node([combine(zero, row, columns) for row in x.data])
    TAPE.append((linear_grad, y, (x, w)))
    return y


def linear_grad(y, x, w):
    # over all positions at once, from the last to the first
    vectors = x.data[::-1]
    w.grad = [combine(start, dy, vectors) for start, dy in zip(gradient_of(w), zip(*reversed(y.grad)))]
    if y.visit is None:
        add_products(x, y.grad, w.rows)
    elif y.visit[0] == "target first":
        add_products_target_last(x, y.grad, w.rows, y.visit[1])
    else:
        x.waiting.append((*y.visit, y.grad, w))


def add_products(x, grad, rows):
    """dx_p += Σ_o dy_p_o · row o of W, from the last row to the first."""
    rows = rows[::-1]
    x.grad = [combine(start, row[::-1], rows) for start, row in zip(start_of(x), grad)]


def add_products_target_last(x, grad, rows, targets):
    """The same with one row's share, another one for each position, at the end."""
    backwards = rows[::-1]
    found = []
    for start, row, target in zip(start_of(x), grad, targets):
        others = list(row)
        others[target] = 0.0
        others.reverse()
        found.append(combine(combine(start, others, backwards), [row[target]], [rows[target]]))
    x.grad = found


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
        found = {share[0]: share for share in reversed(x.waiting) if share[1] is visitor}
        x.waiting = [share for share in x.waiting if not any(share is f for f in found.values())]
        found = [found[role] for role in "qkv" if role in found]
        roles = "".join(share[0] for share in found)
        grads = [list(chain.from_iterable(rows)) for rows in zip(*[share[2] for share in found])]
        rows = list(chain.from_iterable(share[3].rows for share in found))
        n, (n_head, alone) = len(grads[0]) // len(roles), visitor
        order = itemgetter(*merged_order(roles, n, n_head, False), 0)  # one more, so that it gives a tuple
        first = itemgetter(*merged_order(roles, n, n_head, True), 0)
        done = []
        for p, (start, row) in enumerate(zip(start_of(x), grads)):
            pick = first if p == 0 and alone else order
            done.append(combine(start, pick(row)[:-1], pick(rows)))
        x.grad = done


@lru_cache(maxsize=64)
def merged_order(roles, n, n_head, by_turns):
    """In which order the rows of these matrices, one under the other, add to their input's gradient."""
    size = n // n_head
    order = []
    for head in reversed(range(n_head)):
        columns = {
            role: [m * n + i for i in reversed(range(head * size, (head + 1) * size))] for m, role in enumerate(roles)
        }
        order += columns.get("v", [])
        if by_turns:
            order += chain.from_iterable(zip(*[columns[role] for role in "kq" if role in roles]))
        else:
            order += columns.get("k", []) + columns.get("q", [])
    return order


def rmsnorm(x):
    """y = x·s with s = (mean x² + ε)^−½: ds = Σ xᵢ·dyᵢ, d Σx² = −½·(mean x² + ε)^−3⁄2 · ds / n, dxᵢ = s·dyᵢ + 2·xᵢ·d Σx²."""
    per_n = len(x.data[0]) ** -1
    bases = [dot(row, row) * per_n + 1e-5 for row in x.data]
    scales = [base**-0.5 for base in bases]
    y = Node([[xi * scale for xi in row] for row, scale in zip(x.data, scales)])
    TAPE.append((rmsnorm_grad, y, (x, bases, scales, per_n)))
    return y


def rmsnorm_grad(y, x, bases, scales, per_n):
    found = []
    for start, row, grad, base, scale in zip(start_of(x), x.data, y.grad, bases, scales):
        d_squares = per_n * (-0.5 * base**-1.5 * dot(reversed(row), reversed(grad)))
        # once for each factor of a square: doubling would round differently
        found.append([s + scale * g + xi * d_squares + xi * d_squares for s, g, xi in zip(start, grad, row)])
    x.grad = found


def relu(x):
    """max(0, x): the gradient passes where the output is above 0."""
    y = Node([[xi if xi > 0.0 else 0.0 for xi in row] for row in x.data])
    TAPE.append((relu_grad, y, (x,)))
    return y


def relu_grad(y, x):
    give(x, [[g if yi else 0.0 for g, yi in zip(*rows)] for rows in zip(y.grad, y.data)])


def exponentials(x):
    """exp(x − max x), their sum from left to right, and its inverse: (n,) → (n,), number, number."""
    max_val = max(x)
    exps = [math.exp(xi - max_val) for xi in x]
    total = 0.0
    for e in exps:
        total += e
    return exps, total, total**-1


def attention(q, keys, values, n_head):
    """Per head and position, over its t entries: sₜ = c·q·kₜ with c = 1/√d, eₜ = exp(sₜ − max), wₜ = eₜ·(Σe)⁻¹, y = Σ wₜ·vₜ.

    dwₜ = dy·vₜ, d(Σe) = −(Σe)⁻² · Σ eₜ·dwₜ, deₜ = (Σe)⁻¹·dwₜ + d(Σe), and with rₜ = c·eₜ·deₜ: dq = Σ rₜ·kₜ. Over the
    positions p that see entry t: dkₜ = Σ rₚₜ·qₚ and dvₜ = Σ wₚₜ·dyₚ.
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
    size = n // n_head
    c = (size**0.5) ** -1
    zero = [0.0] * size
    heads, parts = [], []
    for start in range(0, n, size):
        columns = slice(start, start + size)
        q_h, k_h, v_h = ([row[columns] for row in rows] for rows in (q.data, k_rows, v_rows))
        y_h, saved = [], []
        for p, row in enumerate(q_h, past + 1):
            exps, total, inverse = exponentials([dot(row, k) * c for k in k_h[:p]])
            weights = [e * inverse for e in exps]
            y_h.append(combine(zero, weights, v_h))
            saved.append((exps, total, inverse, weights))
        parts.append(y_h)
        heads.append((columns, q_h, k_h, v_h, saved))
    y = Node(side_by_side(parts))
    TAPE.append((attention_grad, y, (q, tuple(keys), tuple(values), heads, c, past)))
    return y


def side_by_side(heads):
    """(heads, positions, d) → (positions, heads · d)."""
    return [list(chain.from_iterable(rows)) for rows in zip(*heads)]


def attention_grad(y, q, keys, values, heads, c, past):
    dq, dk, dv = [], [], []
    for columns, q_h, k_h, v_h, saved in heads:
        grads = [row[columns] for row in y.grad]
        # every number's share of a sum over j or t comes from its last term to its first
        k_back, v_turned = k_h[::-1], [v[::-1] for v in v_h]
        zero = [0.0] * len(k_h[0])
        dq_h, weight_rows, score_rows = [], [], []
        for grad, (exps, total, inverse, weights) in zip(grads, saved):
            turned = grad[::-1]
            dw = [dot(v, turned) for v in v_turned[: len(exps)]]
            local, d_total = -1 * total**-2, 0.0
            for e, d in zip(reversed(exps), reversed(dw)):
                d_total += local * (e * d)  # the reference divides each e anew, so its shares are added one by one
            score = [c * (e * (inverse * d + d_total)) for e, d in zip(exps, dw)]
            dq_h.append(combine(zero, score[::-1], k_back[-len(score) :]))
            weight_rows.append(weights)
            score_rows.append(score)
        q_back, g_back = q_h[::-1], grads[::-1]
        last = len(k_h) - 1
        dk_h, dv_h = [], []
        for t in range(len(k_h)):
            seen = min(last - t + 1, len(q_h))  # by so many positions, the last ones
            dk_h.append(combine(zero, [row[t] for row in score_rows[: -seen - 1 : -1]], q_back))
            dv_h.append(combine(zero, [row[t] for row in weight_rows[: -seen - 1 : -1]], g_back))
        dq.append(dq_h)
        dk.append(dk_h)
        dv.append(dv_h)
    give(q, side_by_side(dq))
    give_entries(keys, side_by_side(dk))
    give_entries(values, side_by_side(dv))
    visitor = len(heads), past == 0  # a new tuple: its identity tells this attention from others
    q.visit = "q", visitor
    for k in keys:
        k.visit = "k", visitor
    for v in values:
        v.visit = "v", visitor


def give_entries(entries, grad):
    """Each entry of the cache gets the gradient of its own positions."""
    start = 0
    for entry in entries:
        stop = start + len(entry.data)
        give(entry, grad[start:stop])
        start = stop


def softmax(x):
    """exp(x − max) · (Σe)⁻¹: with pᵢ the output, dxᵢ = eᵢ·((Σe)⁻¹·dpᵢ − (Σe)⁻² · Σ eⱼ·dpⱼ)."""
    saved = [exponentials(row) for row in x.data]
    y = Node([[e * inverse for e in exps] for exps, _, inverse in saved])
    TAPE.append((softmax_grad, y, (x, saved)))
    return y


def softmax_grad(y, x, saved):
    found = []
    for (exps, total, inverse), grad in zip(saved, y.grad):
        d_total = -1 * total**-2 * dot(reversed(exps), reversed(grad))
        found.append([e * (inverse * g + d_total) for e, g in zip(exps, grad)])
    give(x, found)


def cross_entropy(logits, target):
    """−log(e_target·(Σe)⁻¹) per position: with its gradient g and p the probability, dp = −g/p, d(Σe) = −(Σe)⁻²·e_target·dp.

    Every logit gets eᵢ·d(Σe), the target's e_target·((Σe)⁻¹·dp + d(Σe)).
    """
    target = indices(target, len(logits.data[0]))
    if len(target) != len(logits.data):
        raise ValueError(f"{len(target)} targets for {len(logits.data)} positions: give one each")
    saved = [exponentials(row) for row in logits.data]
    chosen = [exps[t] * inverse for (exps, _, inverse), t in zip(saved, target)]
    y = Node([-math.log(p) for p in chosen])
    TAPE.append((cross_entropy_grad, y, (logits, target, saved, chosen)))
    return y


def cross_entropy_grad(y, logits, target, saved, chosen):
    found = []
    for g, t, (exps, total, inverse), p in zip(y.grad, target, saved, chosen):
        d_p = 1 / p * (-1 * g)
        d_total = -1 * total**-2 * (exps[t] * d_p)
        row = [e * d_total for e in exps]
        row[t] = exps[t] * (inverse * d_p + d_total)
        found.append(row)
    give(logits, found)
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
    inverse_temperature = temperature**-1
    exps, _, inverse = exponentials([x * inverse_temperature for x in logits.data[0]])
    return [e * inverse for e in exps]


def read_values(w):
    return [list(row) for row in w.rows]


def read_gradients(w):
    return [list(row) for row in w.grad] if w.grad else [[0.0] * len(row) for row in w.rows]


class Adam:
    """Adam over flat lists of all weights and their moments, in the reference's order of operations."""

    def __init__(self, matrices, beta1, beta2, eps):
        self.matrices = list(matrices)
        self.beta1, self.beta2, self.eps = beta1, beta2, eps
        self.data = [x for w in self.matrices for row in w.rows for x in row]
        self.m = [0.0] * len(self.data)
        self.v = [0.0] * len(self.data)

    def update(self, t, learning_rate):
        beta1, beta2, eps = self.beta1, self.beta2, self.eps
        rest1, rest2 = 1 - beta1, 1 - beta2
        correction1, correction2 = 1 - beta1**t, 1 - beta2**t
        grads = []
        for w in self.matrices:
            grads.extend(chain.from_iterable(gradient_of(w)))
        self.m = [beta1 * m + rest1 * g for m, g in zip(self.m, grads)]
        self.v = [beta2 * v + rest2 * g**2 for v, g in zip(self.v, grads)]
        self.data = [
            x - learning_rate * (m / correction1) / ((v / correction2) ** 0.5 + eps)
            for x, m, v in zip(self.data, self.m, self.v)
        ]
        self.place()

    def place(self):
        """Give the matrices their rows of the flat list."""
        numbers = iter(self.data)
        for w in self.matrices:
            n_out, n_in = len(w.rows), len(w.rows[0])
            w.place([row for _, row in zip(range(n_out), zip(*[numbers] * n_in))])

    def snapshot(self):
        return self.data, self.m, self.v  # an update makes new lists, so these stay

    def restore(self, snapshot):
        self.data, self.m, self.v = snapshot
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
    count_nodes=count_nodes,
    matrix=Matrix,
    read_values=read_values,
    read_gradients=read_gradients,
    optimizer=Adam,
)
