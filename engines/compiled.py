"""Python that writes Python: the ops of `vector_exact` as source, generated once per shape, compiled and kept.

A general loop spends more on its bookkeeping than on its arithmetic: it takes tuples apart, advances iterators, looks
into lists. Where the shape is known, none of that is needed: numbers become local variables, named in the text, and a
sum of sixteen products is one expression. What is written out, in part in modules beside this one (`written_products`,
by way of `source_writing`):

- `product`: sums of products of a few vectors, unpacked once into locals, with many others, one after the other.
  Forwards four positions meet the rows of the weights, backwards four gradients their columns, and for the weights'
  own gradient all positions meet the gradient of each output;
- `combination`: one such sum, for factors with many zeros. Behind a relu most numbers are zero, half of them at the
  start and more as training goes on, and a closed unit leaves a whole vector out;
- `dots`: only those entries of a product which an open relu lets through;
- whole rows of `add` and of `rmsnorm` with its chain rule, a head's scores in attention, and Adam, which goes through
  lines of the weights and replaces them one by one: the memory that a line frees serves the next, still in the cache.

``generated()`` gives the texts, ``source(name)`` one of them.

Not faster in the very first pass, which compiles, before the interpreter specializes code that has run a few times; nor on a runtime that compiles loops itself. Nor does it help where the time goes into
the arithmetic, as in Adam: two powers and three divisions per weight, which CPython does not specialize.

Every bit is the reference's, by the orders of summation that `vector_exact` explains.
"""

import math
from array import array
from functools import lru_cache, partial
from itertools import chain, compress
from operator import itemgetter

from bench.workload.engine import Engine, Parity, without_tape
from engines import written_products
from engines.activation_rows import (
    by_entry,
    check_sum,
    count_reached,
    entries,
    indices,
    shape,
    spread,
    targets_of,
)
from engines.dot_products import dot
from engines.source_writing import names, one_a_line, sum_text, text_of, writer
from engines.weight_lines import Matrix, from_lines, read_gradients, read_values, to_lines
from engines.written_products import TILE, WIDE, add_rows, combine, mix, multiply, side_by_side

TAPE = []  # (chain rule, output, inputs and what the chain rule wants to know), oldest first


class Node:
    """An activation (positions, n) as rows, one number per position, or one number; ``grad`` is None until one arrives."""

    __slots__ = ("closing", "data", "grad", "has_zeros", "masked", "visit", "waiting")

    def __init__(self, data):
        self.data = data
        self.grad = None
        self.has_zeros = False  # made by relu: many zeros, and where there is one, the gradient is of no use
        self.masked = False  # the gradient has zeros already where it is of no use
        self.closing = False  # read by relu: its gradient has many zeros
        self.visit = None  # during backward: how a consumer that goes out of turn has reached these rows
        self.waiting = []  # during backward: shares of linears whose sums must be merged


# --------------------------------------------------------------------- writing source


GENERATED = {}  # name: text of every function written here so far
written = writer(GENERATED, exp=math.exp, dot=dot)


def generated():
    """The text of every function compiled so far, by name."""
    return {**written_products.GENERATED, **GENERATED}


def source(name):
    """The text of one generated function. Raises KeyError, with the names there are."""
    return text_of(name, generated())


@written
def dots(width):
    """One vector's dot products with each of some lines, from the last term to the first."""
    if width > TILE:
        return """(vector, lines):
    vector = vector[::-1]
    return [dot(vector, reversed(line)) for line in lines]
"""
    return f"""(vector, lines):
    {names("f", width)} = vector
    return [
        {sum_text(f"f{k} * v{k}" for k in reversed(range(width)))}
        for {names("v", width)} in lines
    ]
"""


@written
def normalize(width):
    """Rows over their root mean square, and what the chain rule needs."""
    if width > WIDE:
        row, squares, scaled = "x", "dot(x, x)", "tuple([xi * scale for xi in x])"
    else:
        row, squares = names("x", width), sum_text(f"x{i} * x{i}" for i in range(width))
        scaled = f"({one_a_line(f'x{i} * scale' for i in range(width))}\n        )"
    return f"""(rows):
    normalized, saved = [], []
    for {row} in rows:
        base = ({squares}) * {width**-1!r} + 1e-05
        scale = base ** -0.5
        saved.append((base, scale))
        normalized.append({scaled})
    return normalized, saved
"""


@written
def normalize_grad(width, onto=""):
    """d x of `normalize`: scale · g, then twice, once for each factor of a square, x · d; ``onto`` rows if said."""
    added = (onto and "s{i} + ") + "scale * g{i} + x{i} * d + x{i} * d"
    if width > WIDE:
        x, g, s = "xgs"
        products = "dot(reversed(x), reversed(g))"
        d_row = f"tuple([{added.format(i='i')} for xi, gi{onto and ', si'} in zip(x, g{onto and ', s'})])"
    else:
        x, g, s = (f"({names(letter, width)})" for letter in "xgs")
        products = sum_text(f"x{i} * g{i}" for i in reversed(range(width)))
        d_row = f"({one_a_line(added.format(i=i) for i in range(width))}\n        )"
    return f"""(rows, grads, saved{onto and ", starts"}):
    d_rows = []
    for {x}, {g}, (base, scale){onto and f", {s}"} in zip(rows, grads, saved{onto and ", starts"}):
        d = {width**-1!r} * (-0.5 * base ** -1.5 * ({products}))
        d_rows.append({d_row})
    return d_rows
"""


@written
def attend(size):
    """A head's exponentials, their sum and its inverse, and its weights with zeros for what is still to come."""
    if size > WIDE:
        row, scores = "q", "dot(q, k) * c for k in keys[:seen]"
    else:
        row = f"({names('q', size)})"
        scores = f"({sum_text(f'q{j} * k{j}' for j in range(size))}) * c for {names('k', size)} in keys[:seen]"
    return f"""(queries, keys, seen, c):
    saved, factors, zeros = [], [], [0.0] * len(keys)
    for {row} in queries:
        scores = [{scores}]
        top = max(scores)
        exps = [exp(s - top) for s in scores]
        total = 0.0
        for e in exps:
            total += e
        inverse = total ** -1
        saved.append((exps, total, inverse))
        factors.append([e * inverse for e in exps] + zeros[seen:])
        seen += 1
    return saved, factors
"""


@written
def attend_grad(size):
    """From the gradients of a head's outputs to those of its scores, c included, from the last entry to the first."""
    if size > WIDE:
        row, weights = "g", "dot(reversed(g), reversed(v)) for v in values[:seen]"
    else:
        row = f"({names('g', size)})"
        products = sum_text(f"g{j} * v{j}" for j in reversed(range(size)))
        weights = f"{products} for {names('v', size)} in values[:seen]"
    return f"""(grads, values, saved, seen, c):
    d_scores, zeros = [], [0.0] * len(values)
    for {row}, (exps, total, inverse) in zip(grads, saved):
        d_weights = [{weights}]
        exps, d_weights = exps[::-1], d_weights[::-1]
        local, d_total = -1 * total ** -2, 0.0
        for e, d in zip(exps, d_weights):
            d_total += local * (e * d)  # the reference divides each e anew, so its shares are added one by one
        d_scores.append(zeros[seen:] + [c * (e * (inverse * d + d_total)) for e, d in zip(exps, d_weights)])
        seen += 1
    return d_scores
"""


@written
def adam(width, corrected=""):
    """Update lines of weights and moments in place; a line without a gradient needs no squares.

    One that never had a gradient, so that its moments are still those of the beginning, stays as it is: x − 0 / (0 + ε).
    ``corrected``: the first moment's correction has become 1, as it does after some 230 steps.
    """
    decay = "m{i} = beta1 * m{i}", "v{i} = beta2 * v{i}"
    gather = "m{i} = beta1 * m{i} + rest1 * g{i}", "v{i} = beta2 * v{i} + rest2 * g{i} ** 2.0"
    m_hat = "m{i}" if corrected else "(m{i} / correction1)"
    step = f"x{{i}} - rate * {m_hat} / ((v{{i}} / correction2) ** 0.5 + eps)"
    arguments = "(lines, ms, vs, grads, zeros, rate, beta1, beta2, rest1, rest2, correction1, correction2, eps)"
    if width > WIDE:
        m, v = (moment.format(i="").split(" = ")[1] for moment in gather)
        return f"""{arguments}:
    for r, (xs, m_line, v_line, gs) in enumerate(zip(lines, ms, vs, grads)):
        if gs is None:
            gs = (0.0,) * len(xs)
        ms[r] = m_line = [{m} for m, g in zip(m_line, gs)]
        vs[r] = v_line = [{v} for v, g in zip(v_line, gs)]
        lines[r] = tuple([{step.format(i="")} for x, m, v in zip(xs, m_line, v_line)])
"""

    def unrolled(moments):
        return "".join(f"\n            {moment.format(i=i)}" for i in range(width) for moment in moments)

    return f"""{arguments}:
    r = -1
    for ({names("x", width)}), ({names("m", width)}), ({names("v", width)}), grad in zip(lines, ms, vs, grads):
        r += 1
        if grad is None:
            if ms[r] is zeros and eps:
                continue{unrolled(decay)}
        else:
            {names("g", width)} = grad{unrolled(gather)}
        lines[r] = ({one_a_line(step.format(i=i) for i in range(width))}
        )
        ms[r] = {names("m", width)}
        vs[r] = {names("v", width)}
"""


# --------------------------------------------------------------------- the ops, each with its chain rule


def give(x, grad, masked=False):
    """Add rows to a node's gradient. Out of place, because the first gradient may be another node's too."""
    x.masked = masked and (x.masked or x.grad is None)
    x.grad = grad if x.grad is None else add_rows(x.grad, grad)


def embedding(w, index):
    """Rows of w. Each row's gradient gathers those of the positions that read it."""
    index = indices(index, w.shape[0])
    rows = w.rows
    y = Node([rows[i] for i in index])
    TAPE.append((embedding_grad, y, (w, index)))
    return y


def embedding_grad(y, w, index):
    if w.share is not None and len(w.share[0]) == len(index):
        return tied_grad(y, w, index)
    by_row = {}
    for i, row in zip(reversed(index), reversed(y.grad)):
        by_row[i] = add_rows([by_row[i]], [row])[0] if i in by_row else row
    grad = [by_row.get(i) for i in range(w.shape[0])]
    if w.by_column:
        zero = (0.0,) * w.shape[1]
        grad = list(zip(*[row or zero for row in grad]))
    w.gather(grad)


def tied_grad(y, w, index):
    """The gradient of a matrix that is the last one too: at each position, from the last to the first, the linear's share
    of a row comes before the embedding's."""
    rows = read_gradients(w)
    positions = [*zip(index, *w.share, y.grad)][::-1]
    for i in set(index):
        rows[i] = [0.0] * w.shape[1]
        for read, xs, factors, grad in positions:
            rows[i] = [total + factors[i] * x for total, x in zip(rows[i], xs)]
            if read == i:
                rows[i] = [total + g for total, g in zip(rows[i], grad)]
    w.grad = list(zip(*rows)) if w.by_column else [tuple(row) for row in rows]
    w.share = None


def add(a, b):
    """a + b: both get the output's gradient."""
    check_sum(a, b)
    y = Node(add_rows(a.data, b.data))
    TAPE.append((add_grad, y, (a, b)))
    return y


def add_grad(y, a, b):
    give(a, y.grad)
    give(b, y.grad)


def linear(x, w):
    """y_p = Σᵢ x_pᵢ · column i of W, so dx_p = Σ_o dy_p_o · row o of W and d row o = Σ_p dy_p_o · x_p."""
    n_out, n_in = w.shape
    if len(x.data[0]) != n_in:
        raise ValueError(f"a matrix {w.shape} cannot multiply the shape {shape(x)}")
    if x.has_zeros and w.by_column and w.finite:
        zero = (0.0,) * n_out
        y = Node([row or zero for row in combine(x.data, w.lines)])
    else:
        y = Node(multiply(x.data, w.rows))
    TAPE.append((linear_grad, y, (x, w)))
    return y


def linear_grad(y, x, w):
    # the weights: a line's gradient is over all positions, from the last to the first
    xs, grads = x.data[::-1], y.grad[::-1]
    w.share = None if w.grad else (x.data, y.grad)
    if w.by_column:
        w.gather((combine if x.has_zeros else mix)(list(zip(*xs)), grads))
    else:
        w.gather((combine if y.closing else mix)(list(zip(*grads)), xs))
    # the input: from the last row of W to the first, but for those who go out of turn
    if y.visit is None:
        if x.has_zeros and w.by_column:
            some = dots(w.shape[0])
            give(x, [spread(row, some(g, compress(w.lines, row))) for g, row in zip(y.grad, x.data)], masked=True)
        elif y.closing and not w.by_column and w.finite:
            zero = (0.0,) * w.shape[1]
            give(x, [row or zero for row in combine([g[::-1] for g in y.grad], w.lines[::-1])])
        else:
            give(x, multiply([g[::-1] for g in y.grad], list(zip(*w.rows[::-1]))))
    elif y.visit[0] == "target first":
        give(x, target_last(y.grad, w, y.visit[1]))
    else:
        x.waiting.append((*y.visit, y.grad, w))


def target_last(grad, w, targets):
    """dx_p with one row's share, another one for each position, at the end."""
    others, shares, rows = [], [], w.rows
    for row, target in zip(grad, targets):
        share = row[target]
        row = list(row)
        row[target] = 0.0
        others.append(row[::-1])
        shares.append([share * x for x in rows[target]])
    return add_rows(multiply(others, list(zip(*rows[::-1]))), shares)


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
        grads = [tuple(chain.from_iterable(rows)) for rows in zip(*[share[2] for share in shares])]
        rows = list(chain.from_iterable(share[3].rows for share in shares))
        n, (n_head, alone) = len(grads[0]) // len(roles), visitor
        order = merged_order(roles, n, n_head, False)
        later = 1 if alone else 0
        done = []
        if alone:
            first = merged_order(roles, n, n_head, True)
            done = multiply([first(grads[0])], list(zip(*first(rows))))
        if len(grads) > later:
            done += multiply([order(g) for g in grads[later:]], list(zip(*order(rows))))
        give(x, done)


@lru_cache(maxsize=64)
def merged_order(roles, n, n_head, by_turns):
    """Picks, in the order in which the rows of these matrices add to their input's gradient, from a list of all."""
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
    return itemgetter(*order) if len(order) > 1 else tuple


def rmsnorm(x):
    """y = x·s with s = (mean x² + ε)^−½: ds = Σ xᵢ·dyᵢ, d Σx² = −½·(mean x² + ε)^−3⁄2 · ds / n, dxᵢ = s·dyᵢ + 2·xᵢ·d Σx²."""
    rows, saved = normalize(len(x.data[0]))(x.data)
    y = Node(rows)
    TAPE.append((rmsnorm_grad, y, (x, saved)))
    return y


def rmsnorm_grad(y, x, saved):
    width = len(x.data[0])
    x.masked = False
    if x.grad is None:
        x.grad = normalize_grad(width)(x.data, y.grad, saved)
    else:
        x.grad = normalize_grad(width, "onto")(x.data, y.grad, saved, x.grad)


def relu(x):
    """max(0, x): the gradient passes where the output is above 0."""
    y = Node([[xi if xi > 0.0 else 0.0 for xi in row] for row in x.data])
    y.has_zeros = x.closing = True
    TAPE.append((relu_grad, y, (x,)))
    return y


def relu_grad(y, x):
    give(x, y.grad if y.masked else [[g if yi else 0.0 for g, yi in zip(*rows)] for rows in zip(y.grad, y.data)])


def exponentials(x):
    """exp(x − max x), their sum from left to right, and its inverse: (n,) → (n,), number, number."""
    top = max(x)
    exps = [math.exp(xi - top) for xi in x]
    total = 0.0
    for e in exps:
        total += e
    return exps, total, total**-1


def attention(q, keys, values, n_head):
    """Per head and position, over its t entries: sₜ = c·q·kₜ with c = 1/√d, eₜ = exp(sₜ − max), wₜ = eₜ·(Σe)⁻¹, y = Σ wₜ·vₜ.

    dwₜ = dy·vₜ, d(Σe) = −(Σe)⁻² · Σ eₜ·dwₜ, deₜ = (Σe)⁻¹·dwₜ + d(Σe), and with rₜ = c·eₜ·deₜ: dq = Σ rₜ·kₜ. Over the
    positions p that see entry t: dkₜ = Σ rₚₜ·qₚ and dvₜ = Σ wₚₜ·dyₚ. What a position does not see has factor 0.
    """
    k_rows, v_rows, past = entries(q, keys, values, n_head)
    n = len(q.data[0])
    size = n // n_head
    c = (size**0.5) ** -1
    scores = attend(size)
    heads, parts = [], []
    for start in range(0, n, size):
        columns = slice(start, start + size)
        q_h, k_h, v_h = ([row[columns] for row in rows] for rows in (q.data, k_rows, v_rows))
        saved, weights = scores(q_h, k_h, past + 1, c)
        parts.append(mix(weights, v_h))
        heads.append((columns, q_h, k_h, v_h, saved, weights))
    y = Node(side_by_side(parts))
    TAPE.append((attention_grad, y, (q, tuple(keys), tuple(values), heads, c, past)))
    return y


def attention_grad(y, q, keys, values, heads, c, past):
    dq, dk, dv = [], [], []
    to_scores = attend_grad(len(heads[0][1][0]))
    for columns, q_h, k_h, v_h, saved, weights in heads:
        grads = [row[columns] for row in y.grad]
        scores = to_scores(grads, v_h, saved, past + 1, c)
        # every number's share of a sum over entries or positions comes from its last term to its first
        dq.append(mix(scores, k_h[::-1]))
        dk.append(mix(list(zip(*scores[::-1]))[::-1], q_h[::-1]))
        dv.append(mix(list(zip(*weights[::-1])), grads[::-1]))
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
    saved = [exponentials(row) for row in x.data]
    y = Node([[e * inverse for e in exps] for exps, _, inverse in saved])
    TAPE.append((softmax_grad, y, (x, saved)))
    return y


def softmax_grad(y, x, saved):
    grads = []
    for (exps, total, inverse), grad in zip(saved, y.grad):
        d_total = -1 * total**-2 * dot(reversed(exps), reversed(grad))
        grads.append([e * (inverse * g + d_total) for e, g in zip(exps, grad)])
    give(x, grads)


def cross_entropy(logits, target):
    """−log(e_target·(Σe)⁻¹) per position: with its gradient g and p the probability, dp = −g/p, d(Σe) = −(Σe)⁻²·e_target·dp.

    Every logit gets eᵢ·d(Σe), the target's e_target·((Σe)⁻¹·dp + d(Σe)).
    """
    target = targets_of(target, logits)
    saved = [exponentials(row) for row in logits.data]
    chosen = [exps[t] * inverse for (exps, _, inverse), t in zip(saved, target)]
    y = Node([-math.log(p) for p in chosen])
    TAPE.append((cross_entropy_grad, y, (logits, target, saved, chosen)))
    return y


def cross_entropy_grad(y, logits, target, saved, chosen):
    grads = []
    for g, t, (exps, total, inverse), p in zip(y.grad, target, saved, chosen):
        d_p = 1 / p * (-1 * g)
        d_total = -1 * total**-2 * (exps[t] * d_p)
        row = [e * d_total for e in exps]
        row[t] = exps[t] * (inverse * d_p + d_total)
        grads.append(row)
    give(logits, grads)
    logits.visit = "target first", target


def mean(losses):
    """(1/n) · Σ over all numbers of all entries: each gets 1/n of the gradient."""
    numbers = list(chain.from_iterable(loss.data for loss in losses))
    n = len(numbers)
    total = 0.0
    for x in numbers:
        total += x
    y = Node(1 / n * total)
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
    exps, _, inverse = exponentials([x * inverse_temperature for x in logits.data[0]])
    return [e * inverse for e in exps]


class Adam:
    """Adam over the lines of all weights, in the reference's order of operations."""

    def __init__(self, matrices, beta1, beta2, eps):
        self.matrices = list(matrices)
        self.beta1, self.beta2, self.eps = beta1, beta2, eps
        self.zeros = [(0.0,) * len(w.lines[0]) for w in self.matrices]
        self.m = [[zeros] * len(w.lines) for w, zeros in zip(self.matrices, self.zeros)]
        self.v = [lines[:] for lines in self.m]

    def update(self, t, learning_rate, corrections=None, shrink=1.0, decay=1.0):
        beta1, beta2 = self.beta1, self.beta2
        constants = beta1, beta2, 1 - beta1, 1 - beta2, *(corrections or (1 - beta1**t, 1 - beta2**t)), self.eps
        corrected = ["corrected"] if constants[4] == 1.0 else []
        for w, m, v, zeros in zip(self.matrices, self.m, self.v, self.zeros):
            lines = w.lines
            if shrink != 1.0 and w.grad:
                w.grad = [line and tuple([g * shrink for g in line]) for line in w.grad]
            if decay != 1.0:
                lines = [tuple([x * decay for x in line]) for line in lines]
            function = adam(len(lines[0]), *corrected)
            function(lines, m, v, w.grad or [None] * len(lines), zeros, learning_rate, *constants)
            w.place(lines)

    def state(self):
        """As the contract's."""
        kinds = [w.lines for w in self.matrices], self.m, self.v
        return tuple(array("d", chain.from_iterable(map(from_lines, self.matrices, kind))) for kind in kinds)

    def load(self, weights, m, v, t):
        """Rows whose moments are still 0 are told from others, as by updates."""
        weights, m, v = iter(weights), iter(m), iter(v)
        for i, (w, zeros) in enumerate(zip(self.matrices, self.zeros)):
            w.place(to_lines(w, weights))
            for moments, numbers in ((self.m, m), (self.v, v)):
                moments[i] = [line if any(line) else zeros for line in to_lines(w, numbers)]

    def snapshot(self):
        """Lines are replaced, never changed, so lists of them are enough."""
        return [w.lines[:] for w in self.matrices], [m[:] for m in self.m], [v[:] for v in self.v]

    def restore(self, snapshot):
        data, m, v = snapshot
        for w, lines in zip(self.matrices, data):
            w.place(lines[:])
        self.m, self.v = [lines[:] for lines in m], [lines[:] for lines in v]


ENGINE = Engine(
    name="compiled",
    summary="source written per shape: sums as single expressions over local variables",
    parent="vector_exact",
    change="generated, unrolled source",
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
