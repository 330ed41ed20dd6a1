"""`compiled` without the reference's order of operations: the fastest way found in plain Python.

Source is generated once per shape, as in `compiled`; what it says may round differently here. Largest gain first:

- Adam's moments are sums of plain gradients, each over the decay at its time: for mₜ = (1−β₁)·Σ β₁ᵗ⁻ⁱ·gᵢ is kept
  M = Σ β₁⁻ⁱ·gᵢ. A step without a gradient changes no such sum, and only the weight is left to update, with less
  work. Lines without one are those of letters that the document lacks, and of units behind a relu that is closed at
  every position. ``g * g`` and ``sqrt`` stand for powers, and one division per weight for three;
- long sums by `math.sumprod`, where it is there (CPython 3.12), although it rounds only once: from 32 terms on, where an
  expression has become slower, on CPython 3.15 from 16 on (`LONG` in `dot_products`);
- all linears that read one vector (queries, keys and values) are one larger linear on the way back;
- chain rules in closed form: softmax p·(dp − Σ p·dp), cross-entropy p − onehot, rmsnorm in two products per number.
  The cross-entropy takes log Σ exp, so that large logits do not end it in log(0).

Losses keep within 1e-12 of the reference's.
"""

from functools import partial
from itertools import chain, compress, repeat
from math import exp, log, sqrt

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
from engines.dot_products import LONG, sumprod
from engines.source_writing import names, one_a_line, sum_text, text_of, writer
from engines.weight_lines import Matrix, read_gradients, read_values, to_lines
from engines.written_products import TILE, WIDE, add_rows, combine, mix, side_by_side

TAPE = []  # (chain rule, output, inputs and what the chain rule wants to know), oldest first


class Node:
    """An activation (positions, n) as rows, one number per position, or one number; ``grad`` is None until one arrives."""

    __slots__ = ("closing", "data", "grad", "has_zeros", "masked", "waiting")

    def __init__(self, data):
        self.data = data
        self.grad = None
        self.has_zeros = False  # made by relu: many zeros, and where there is one, the gradient is of no use
        self.masked = False  # the gradient has zeros already where it is of no use
        self.closing = False  # read by relu: its gradient has many zeros
        self.waiting = []  # during backward: the linears that read these rows, with their gradients


# --------------------------------------------------------------------- writing source

GENERATED = {}  # name: text of every function written here so far
written = writer(GENERATED, exp=exp, sumprod=sumprod)


def generated():
    """The text of every function compiled so far, by name."""
    return {**written_products.GENERATED, **GENERATED}


def source(name):
    """The text of one generated function. Raises KeyError, with the names there are."""
    return text_of(name, generated())


def multiply(x, rows):
    """Σ_k x_pk · row_k for each position p and each row: (positions, terms), (n, terms) → (positions, n)."""
    if len(x[0]) >= LONG:
        return [list(map(sumprod, repeat(row), rows)) for row in x]
    return written_products.multiply(x, rows)


@written
def dots(width):
    """One vector's dot products with each of some lines."""
    if width >= LONG or width > TILE:
        return """(vector, lines):
    return [sumprod(vector, line) for line in lines]
"""
    return f"""(vector, lines):
    {names("f", width)} = vector
    return [
        {sum_text(f"f{k} * v{k}" for k in range(width))}
        for {names("v", width)} in lines
    ]
"""


@written
def normalize(width):
    """Rows over their root mean square, and the factors that made them."""
    if width > WIDE:
        row, squares, scaled = "x", "sumprod(x, x)", "tuple([xi * scale for xi in x])"
    else:
        row, squares = names("x", width), sum_text(f"x{i} * x{i}" for i in range(width))
        scaled = f"({one_a_line(f'x{i} * scale' for i in range(width))}\n        )"
    return f"""(rows):
    normalized, scales = [], []
    for {row} in rows:
        scale = (({squares}) * {1 / width!r} + 1e-05) ** -0.5
        scales.append(scale)
        normalized.append({scaled})
    return normalized, scales
"""


@written
def normalize_grad(width, onto=""):
    """d x of `normalize`; ``onto`` rows if said."""
    changed = (onto and "s{i} + ") + "scale * g{i} - back * x{i}"
    if width > WIDE:
        x, g, s = "xgs"
        products = "sumprod(x, g)"
        d_row = f"tuple([{changed.format(i='i')} for xi, gi{onto and ', si'} in zip(x, g{onto and ', s'})])"
    else:
        x, g, s = (f"({names(letter, width)})" for letter in "xgs")
        products = sum_text(f"x{i} * g{i}" for i in range(width))
        d_row = f"({one_a_line(changed.format(i=i) for i in range(width))}\n        )"
    return f"""(rows, grads, scales{onto and ", starts"}):
    d_rows = []
    for {x}, {g}, scale{onto and f", {s}"} in zip(rows, grads, scales{onto and ", starts"}):
        back = scale * scale * scale * {1 / width!r} * ({products})
        d_rows.append({d_row})
    return d_rows
"""


@written
def attend(size):
    """A head's weights, with zeros for what is still to come."""
    if size > WIDE:
        row, scores = "q", "sumprod(q, k) * c for k in keys[:seen]"
    else:
        row = f"({names('q', size)})"
        scores = f"({sum_text(f'q{j} * k{j}' for j in range(size))}) * c for {names('k', size)} in keys[:seen]"
    return f"""(queries, keys, seen, c):
    weights, zeros = [], [0.0] * len(keys)
    for {row} in queries:
        scores = [{scores}]
        top = max(scores)
        exps = [exp(s - top) for s in scores]
        inverse = 1.0 / sum(exps)
        weights.append([e * inverse for e in exps] + zeros[seen:])
        seen += 1
    return weights
"""


@written
def attend_grad(size):
    """From the gradients of a head's outputs to those of its scores, c included."""
    if size > WIDE:
        row, shares = "g", "sumprod(g, v) for v in values[:seen]"
    else:
        row = f"({names('g', size)})"
        shares = f"{sum_text(f'g{j} * v{j}' for j in range(size))} for {names('v', size)} in values[:seen]"
    return f"""(grads, values, weights, seen, c):
    d_scores, zeros = [], [0.0] * len(values)
    for {row}, ws in zip(grads, weights):
        shares = [{shares}]
        mean = 0.0
        for w, share in zip(ws, shares):
            mean += w * share
        d_scores.append([c * w * (share - mean) for w, share in zip(ws, shares)] + zeros[seen:])
        seen += 1
    return d_scores
"""


@written
def adam(width):
    """Update lines of weights and moments in place; a line without a gradient keeps its moments.

    One that never had a gradient, so that its moments are still those of the beginning, stays as it is: x − 0 / (0 + ε).
    """
    first, second = "m{i} + weight1 * g{i}", "v{i} + weight2 * (g{i} * g{i})"
    step = "x{i} - rate * m{i} / (sqrt(v{i}) + eps)"
    arguments = "(lines, ms, vs, grads, zeros, rate, weight1, weight2, eps, sqrt)"
    if width > WIDE:
        return f"""{arguments}:
    for r, (xs, m_line, v_line, gs) in enumerate(zip(lines, ms, vs, grads)):
        if gs is not None:
            ms[r] = m_line = [{first.format(i="")} for m, g in zip(m_line, gs)]
            vs[r] = v_line = [{second.format(i="")} for v, g in zip(v_line, gs)]
        elif m_line is zeros and eps:
            continue
        lines[r] = tuple([{step.format(i="")} for x, m, v in zip(xs, m_line, v_line)])
"""

    def unrolled(letter, moment):
        return "".join(f"\n            {letter}{i} = {moment.format(i=i)}" for i in range(width))

    return f"""{arguments}:
    r = -1
    for ({names("x", width)}), m_line, v_line, grad in zip(lines, ms, vs, grads):
        r += 1
        if grad is None and m_line is zeros and eps:
            continue
        {names("m", width)} = m_line
        {names("v", width)} = v_line
        if grad is not None:
            {names("g", width)} = grad{unrolled("m", first)}{unrolled("v", second)}
            ms[r] = {names("m", width)}
            vs[r] = {names("v", width)}
        lines[r] = ({one_a_line(step.format(i=i) for i in range(width))}
        )
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
    by_row = {}
    for i, row in zip(index, y.grad):
        by_row[i] = add_rows([by_row[i]], [row])[0] if i in by_row else row
    grad = [by_row.get(i) for i in range(w.shape[0])]
    if w.by_column:
        zero = (0.0,) * w.shape[1]
        grad = list(zip(*[row or zero for row in grad]))
    w.gather(grad)


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
    x.waiting.append((y, y.grad, w))


def settle(x):
    """What waits for x: Σ Wᵀ · dy_p over all linears that read it. Those without zeros are one matrix of all their rows."""
    rows, grads = [], []
    for y, grad, w in x.waiting:
        if x.has_zeros and w.by_column:
            w.gather(combine(list(zip(*x.data)), grad))
            some = dots(w.shape[0])
            give(x, [spread(row, some(g, compress(w.lines, row))) for g, row in zip(grad, x.data)], masked=True)
        elif y.closing and not w.by_column and w.finite:
            w.gather(combine(list(zip(*grad)), x.data))
            zero = (0.0,) * w.shape[1]
            give(x, [row or zero for row in combine(grad, w.lines)])
        else:
            columns = list(zip(*grad))
            w.gather(mix(list(zip(*x.data)), grad) if w.by_column else mix(columns, x.data))
            rows += w.rows
            grads += columns
    x.waiting = []
    if rows:
        give(x, multiply(list(zip(*grads)), list(zip(*rows))))


def rmsnorm(x):
    """y = x·s with s = (mean x² + ε)^−½: dx = s·dy − x · s³ · mean(x·dy)."""
    rows, scales = normalize(len(x.data[0]))(x.data)
    y = Node(rows)
    TAPE.append((rmsnorm_grad, y, (x, scales)))
    return y


def rmsnorm_grad(y, x, scales):
    width = len(x.data[0])
    x.masked = False
    if x.grad is None:
        x.grad = normalize_grad(width)(x.data, y.grad, scales)
    else:
        x.grad = normalize_grad(width, "onto")(x.data, y.grad, scales, x.grad)


def relu(x):
    """max(0, x): the gradient passes where the output is above 0."""
    y = Node([[xi if xi > 0.0 else 0.0 for xi in row] for row in x.data])
    y.has_zeros = x.closing = True
    TAPE.append((relu_grad, y, (x,)))
    return y


def relu_grad(y, x):
    give(x, y.grad if y.masked else [[g if yi else 0.0 for g, yi in zip(*rows)] for rows in zip(y.grad, y.data)])


def attention(q, keys, values, n_head):
    """Per head and position, over its t entries: w = softmax(q·kₜ/√d), y = Σ wₜ·vₜ.

    dwₜ = dy·vₜ, and with rₜ = wₜ·(dwₜ − Σ wₜ·dwₜ)/√d: dq = Σ rₜ·kₜ. Over the positions p that see entry t: dkₜ = Σ rₚₜ·qₚ and
    dvₜ = Σ wₚₜ·dyₚ. What a position does not see has weight 0.
    """
    k_rows, v_rows, past = entries(q, keys, values, n_head)
    n = len(q.data[0])
    size = n // n_head
    c = 1 / sqrt(size)
    weigh = attend(size)
    heads, parts = [], []
    for start in range(0, n, size):
        columns = slice(start, start + size)
        q_h, k_h, v_h = ([row[columns] for row in rows] for rows in (q.data, k_rows, v_rows))
        weights = weigh(q_h, k_h, past + 1, c)
        parts.append(mix(weights, v_h))
        heads.append((columns, q_h, k_h, v_h, weights))
    y = Node(side_by_side(parts))
    TAPE.append((attention_grad, y, (q, tuple(keys), tuple(values), heads, c, past)))
    return y


def attention_grad(y, q, keys, values, heads, c, past):
    dq, dk, dv = [], [], []
    to_scores = attend_grad(len(heads[0][1][0]))
    for columns, q_h, k_h, v_h, weights in heads:
        grads = [row[columns] for row in y.grad]
        scores = to_scores(grads, v_h, weights, past + 1, c)
        dq.append(mix(scores, k_h))
        dk.append(mix(list(zip(*scores)), q_h))
        dv.append(mix(list(zip(*weights)), grads))
    give(q, side_by_side(dq))
    for entry, rows in (*by_entry(keys, side_by_side(dk)), *by_entry(values, side_by_side(dv))):
        give(entry, rows)


def probabilities_of(rows):
    """softmax of each row, shifted by its largest number."""
    probabilities = []
    for row in rows:
        top = max(row)
        exps = [exp(xi - top) for xi in row]
        inverse = 1.0 / sum(exps)
        probabilities.append([e * inverse for e in exps])
    return probabilities


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


class Adam:
    """Adam over the lines of all weights, the moments without what decays in them.

    With M = Σ gᵢ·β₁⁻ⁱ and V = Σ gᵢ²·β₂⁻ⁱ over the steps i = 0, 1, … so far, mᵢ = (1−β₁)·β₁ⁱ·M and vᵢ = (1−β₂)·β₂ⁱ·V. So
    that β⁻ⁱ stays a number, i counts from step `first`, at which M and V last took in what had decayed.
    """

    def __init__(self, matrices, beta1, beta2, eps):
        self.matrices = list(matrices)
        self.beta1, self.beta2, self.eps = beta1, beta2, eps
        self.zeros = [(0.0,) * len(w.lines[0]) for w in self.matrices]
        self.m = [[zeros] * len(w.lines) for w, zeros in zip(self.matrices, self.zeros)]
        self.v = [lines[:] for lines in self.m]
        self.first = None

    def update(self, t, learning_rate, corrections=None, shrink=1.0, decay=1.0):
        beta1, beta2 = self.beta1, self.beta2
        if self.first is None:
            self.first = t
        decay1, decay2 = beta1 ** (t - self.first), beta2 ** (t - self.first)
        if min(decay1, decay2) < 1e-100:
            self.take_in(decay1, decay2)
            self.first, decay1, decay2 = t, 1.0, 1.0
        correction1, correction2 = corrections or (1 - beta1**t, 1 - beta2**t)
        # constants of the step: √v̂ + ε is `scale` times what stands below the fraction's line
        scale = sqrt((1 - beta2) * decay2 / correction2)
        constants = learning_rate * (1 - beta1) * decay1 / correction1 / scale, 1 / decay1, 1 / decay2, self.eps / scale
        for w, m, v, zeros in zip(self.matrices, self.m, self.v, self.zeros):
            lines = w.lines
            if shrink != 1.0 and w.grad:
                w.grad = [line and tuple([g * shrink for g in line]) for line in w.grad]
            if decay != 1.0:
                lines = [tuple([x * decay for x in line]) for line in lines]
            adam(len(lines[0]))(lines, m, v, w.grad or [None] * len(lines), zeros, *constants, sqrt)
            w.place(lines)

    def take_in(self, decay1, decay2):
        """Multiply the moments by what they have decayed to."""
        for moments, factor in ((self.m, decay1), (self.v, decay2)):
            for lines, zeros in zip(moments, self.zeros):
                lines[:] = [line if line is zeros else tuple([x * factor for x in line]) for line in lines]

    def load(self, weights, m, v, t):
        """Rows whose moments are still 0 are told from others, as by updates."""
        self.first = t + 1
        factor1, factor2 = self.beta1 / (1 - self.beta1), self.beta2 / (1 - self.beta2)
        weights, m, v = iter(weights), (x * factor1 for x in m), (x * factor2 for x in v)
        for i, (w, zeros) in enumerate(zip(self.matrices, self.zeros)):
            w.place(to_lines(w, weights))
            for moments, numbers in ((self.m, m), (self.v, v)):
                moments[i] = [line if any(line) else zeros for line in to_lines(w, numbers)]

    def snapshot(self):
        """Lines are replaced, never changed, so lists of them are enough."""
        return [w.lines[:] for w in self.matrices], [m[:] for m in self.m], [v[:] for v in self.v], self.first

    def restore(self, snapshot):
        data, m, v, self.first = snapshot
        for w, lines in zip(self.matrices, data):
            w.place(lines[:])
        self.m, self.v = [lines[:] for lines in m], [lines[:] for lines in v]


ENGINE = Engine(
    name="compiled_unordered",
    summary="source written per shape, in any order of operations",
    parent="compiled",
    change="any order of operations: lazy moments, sumprod, chain rules in closed form",
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
