"""`compiled` without the reference's order of operations: the fastest way found in plain Python.

Source is generated once per shape, as in `compiled`; what it says may round differently here. Largest gain first:

- Adam's moments are sums of plain gradients, each over the decay at its time: for mₜ = (1−β₁)·Σ β₁ᵗ⁻ⁱ·gᵢ is kept
  M = Σ β₁⁻ⁱ·gᵢ. A step without a gradient changes no such sum, and only the weight is left to update, with less
  work. Lines without one are those of letters that the document lacks, and of units behind a relu that is closed at
  every position. ``g * g`` and ``sqrt`` stand for powers, and one division per weight for three;
- sums of sixteen terms and more by `math.sumprod`, where it is there (CPython 3.12): as fast as an expression with
  sixteen terms and faster with more, although it rounds only once;
- all linears that read one vector (queries, keys and values) are one larger linear on the way back;
- chain rules in closed form: softmax p·(dp − Σ p·dp), cross-entropy p − onehot, rmsnorm in two products per number.
  The cross-entropy takes log Σ exp, so that large logits do not end it in log(0).

Losses keep within 1e-12 of the reference's.
"""

import math
from functools import lru_cache, partial
from itertools import chain, compress, repeat
from math import exp, isfinite, log, sqrt

from bench.workload.engine import Engine, Parity, without_tape

TILE = 256  # numbers of a matrix that one function holds in locals; at least 16, and WIDE
BLOCK = 4  # positions that are multiplied at a time
WIDE = 64  # rows up to this width are written out number by number
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


class Matrix:
    """Weights (n_out, n_in) as lines: rows, or columns where these are shorter, as behind a relu.

    ``grad`` is a list of the lines' gradients, in which None is a line of zeros; None while all are zero.
    """

    __slots__ = ("_finite", "_rows", "by_column", "grad", "lines", "shape")

    def __init__(self, rows):
        rows = [tuple(map(float, row)) for row in rows]
        if not rows or not rows[0] or len(set(map(len, rows))) != 1:
            raise ValueError(f"a matrix has rows of numbers, all of one length: got the lengths {[*map(len, rows)]}")
        self.shape = len(rows), len(rows[0])
        self.by_column = len(rows[0]) > len(rows)
        self.place(list(zip(*rows)) if self.by_column else rows)

    def place(self, lines):
        self.lines, self._rows, self._finite, self.grad = lines, None, None, None

    @property
    def rows(self):
        if self._rows is None:
            self._rows = list(zip(*self.lines)) if self.by_column else self.lines
        return self._rows

    @property
    def finite(self):
        """Whether 0 times any line is 0; where not, no factor 0 may be passed over."""
        if self._finite is None:
            self._finite = isfinite(sum(map(sum, self.lines)))
        return self._finite

    def gather(self, grad):
        """Add the lines' gradients."""
        if self.grad is not None:
            grad = [b if a is None else a if b is None else add_rows([a], [b])[0] for a, b in zip(self.grad, grad)]
        self.grad = grad


# --------------------------------------------------------------------- writing source

GENERATED = {}  # name: text of every function so far


def writer(write):
    """Turn a function that writes the text for a shape into one that returns the function, compiled once per shape."""

    @lru_cache(maxsize=None)  # noqa: UP033 - functools.cache is this one behind another call
    def function_for(*shape):
        name = "_".join(map(str, (write.__name__, *shape)))
        text = f"def {name}{write(*shape)}"
        names = {"exp": exp, "sumprod": sumprod}
        exec(compile(text, f"<generated {name}>", "exec"), names)
        GENERATED[name] = text
        return names[name]

    return function_for


def generated():
    """The text of every function compiled so far, by name."""
    return dict(GENERATED)


def source(name):
    """The text of one generated function. Raises KeyError, with the names there are."""
    if name not in GENERATED:
        raise KeyError(f"nothing generated is called {name!r}; so far there are: {', '.join(GENERATED) or 'none'}")
    return GENERATED[name]


def names(letter, n):
    """x0, x1, …: the numbers of a vector. A single one has a comma, so that it is a tuple too."""
    return ", ".join(f"{letter}{i}" for i in range(n)) + "," * (n == 1)


def nested(letter, rows, n):
    """((v0_0, v0_1, …), (v1_0, …), …): the numbers of a matrix, a row to a line."""
    lines = (f"({names(f'{letter}{r}_', n)})" for r in range(rows))
    return f"({one_a_line(lines, 8)}\n    )"


def one_a_line(expressions, indent=12):
    return "".join(f"\n{' ' * indent}{e}," for e in expressions)


def total(terms, start=""):
    """start + the first term + the second …"""
    return " + ".join([start, *terms] if start else terms)


# --------------------------------------------------------------------- products


def sum_of_products(a, b):
    """In place of `math.sumprod`, which CPython has from 3.12 on."""
    total = 0.0
    for ai, bi in zip(a, b):
        total += ai * bi
    return total


sumprod = getattr(math, "sumprod", sum_of_products)
LONG = 16 if sumprod is not sum_of_products else math.inf  # so many terms are sooner added by sumprod than written out


@writer
def product(lines, width, over, onto=""):
    """For each tuple of factors, the sums of its products with a matrix given as lines; ``onto`` other sums if said.

    Over "lines": Σ_k f_k · line k, elementwise. Over "width": for each line Σ_k f_k · line[k].
    """
    terms, outs = (lines, width) if over == "lines" else (width, lines)
    entry = "f{k} * v{k}_{o}" if over == "lines" else "f{k} * v{o}_{k}"
    sums = [total((entry.format(k=k, o=o) for k in range(terms)), onto and f"s{o}") for o in range(outs)]
    loop = f"for {names('f', terms)} in factors"
    if onto:
        loop = f"for ({names('f', terms)}), ({names('s', outs)}) in zip(factors, starts)"
    return f"""(factors, lines{onto and ", starts"}):
    {nested("v", lines, width)} = lines
    return [
        ({one_a_line(sums)}
        )
        {loop}
    ]
"""


@lru_cache(maxsize=None)  # noqa: UP033
def pieces(n, most):
    """Slices that cut n things as evenly as can be, into as few parts of at most ``most`` as there can be."""
    count = -(-n // most)
    ends = [n * i // count for i in range(count + 1)]
    return [slice(a, b) for a, b in zip(ends, ends[1:])]


def mix(factors, vectors):
    """Σ_k f_k · v_k for each tuple of factors: (sets, terms), (terms, n) → (sets, n)."""
    terms, n = len(vectors), len(vectors[0])
    if terms * n <= TILE:
        return product(terms, n, "lines")(factors, vectors)
    most = min(terms, max(16, TILE // n))
    found = []
    for out in pieces(n, TILE // most):
        sums = []
        for term in pieces(terms, most):
            part = [v[out] for v in vectors[term]]
            function = product(len(part), len(part[0]), "lines", *["onto" for _ in sums])
            sums = [function([f[term] for f in factors], part, *sums)]
        found += sums
    return [tuple(chain.from_iterable(rows)) for rows in zip(*found)]


def multiply(x, rows):
    """Σ_k x_pk · row_k for each position p and each row: (positions, terms), (n, terms) → (positions, n).

    Where sums are written out, the activations are the numbers in locals: there are fewer of them than weights. `BLOCK`
    positions go at a time, so that a document of another length needs no other functions.
    """
    terms = len(x[0])
    if terms >= LONG:
        return [list(map(sumprod, repeat(row), rows)) for row in x]
    found = []
    for block in pieces(len(x), BLOCK):
        if terms * BLOCK <= TILE:
            sums = [blocks(terms)[block.stop - block.start](rows, x[block])]
        else:
            sums = []
            for term in pieces(terms, TILE // BLOCK):
                part = [v[term] for v in x[block]]
                function = product(len(part), len(part[0]), "width", *["onto" for _ in sums])
                sums = [function([row[term] for row in rows], part, *sums)]
        found += zip(*sums[0])
    return found


@lru_cache(maxsize=None)  # noqa: UP033
def blocks(terms):
    """What multiplies 0 to `BLOCK` positions, compiled at once: the next document's length may need any."""
    return [None, *(product(n, terms, "width") for n in range(1, BLOCK + 1))]


@writer
def combination(terms, width, onto=""):
    """Σ_k f_k · v_k of so many vectors, ``onto`` another one if said."""
    sums = [total((f"f{k} * v{k}_{o}" for k in range(terms)), onto and f"s{o}") for o in range(width)]
    return f"""(factors, vectors, start=None):
    {names("f", terms)} = factors
    {nested("v", terms, width)} = vectors
    {f"{names('s', width)} = start" if onto else "# start is for those that add onto one"}
    return ({one_a_line(sums, 8)}
    )
"""


def combine(factors, vectors):
    """As `mix`, but passes over factors 0, and finds None where all are. Adding 0·v changes no finite sum."""
    sums = combinations(len(vectors[0]), len(vectors))
    used = [tuple(filter(None, row)) for row in factors]
    return [sums[len(u)](u, compress(vectors, row)) for u, row in zip(used, factors)]


@lru_cache(maxsize=None)  # noqa: UP033
def combinations(width, most):
    """Functions that add so many products: by their number, 0 to ``most``, as any of them may be next."""

    def later(n):
        def first_time(factors, vectors):
            found[n] = in_parts(n)
            return found[n](factors, vectors)

        return first_time

    def in_parts(n):
        parts = pieces(n, at_once)
        parts = [(p, combination(p.stop - p.start, width, *["onto"][: p.start])) for p in parts]

        def add_parts(factors, vectors):
            vectors, sums = tuple(vectors), None
            for part, function in parts:
                sums = function(factors[part], vectors[part], sums)
            return sums

        return add_parts

    def wide(factors, vectors):
        return mix([factors], tuple(vectors))[0]

    def no_term(factors, vectors):
        return None

    if width > WIDE:
        return [no_term] + [wide] * most
    at_once = min(16, TILE // width)
    found = [no_term, *(combination(n, width) for n in range(1, min(at_once, most) + 1))]
    found += [later(n) for n in range(len(found), most + 1)]
    return found


@writer
def dots(width):
    """One vector's dot products with each of some lines."""
    if width >= LONG or width > TILE:
        return """(vector, lines):
    return [sumprod(vector, line) for line in lines]
"""
    return f"""(vector, lines):
    {names("f", width)} = vector
    return [
        {total(f"f{k} * v{k}" for k in range(width))}
        for {names("v", width)} in lines
    ]
"""


# --------------------------------------------------------------------- rows


@writer
def sum_of_rows(width):
    if width > WIDE:
        return """(a, b):
    return [tuple([x + y for x, y in zip(*rows)]) for rows in zip(a, b)]
"""
    return f"""(a, b):
    return [
        ({one_a_line(f"a{i} + b{i}" for i in range(width))}
        )
        for ({names("a", width)}), ({names("b", width)}) in zip(a, b)
    ]
"""


def add_rows(a, b):
    """a + b, elementwise: (positions, n) both."""
    return sum_of_rows(len(a[0]))(a, b)


@writer
def normalize(width):
    """Rows over their root mean square, and the factors that made them."""
    if width > WIDE:
        row, squares, scaled = "x", "sumprod(x, x)", "tuple([xi * scale for xi in x])"
    else:
        row, squares = names("x", width), total(f"x{i} * x{i}" for i in range(width))
        scaled = f"({one_a_line(f'x{i} * scale' for i in range(width))}\n        )"
    return f"""(rows):
    found, scales = [], []
    for {row} in rows:
        scale = (({squares}) * {1 / width!r} + 1e-05) ** -0.5
        scales.append(scale)
        found.append({scaled})
    return found, scales
"""


@writer
def normalize_grad(width, onto=""):
    """d x of `normalize`; ``onto`` rows if said."""
    changed = (onto and "s{i} + ") + "scale * g{i} - back * x{i}"
    if width > WIDE:
        x, g, s = "xgs"
        products = "sumprod(x, g)"
        found = f"tuple([{changed.format(i='i')} for xi, gi{onto and ', si'} in zip(x, g{onto and ', s'})])"
    else:
        x, g, s = (f"({names(letter, width)})" for letter in "xgs")
        products = total(f"x{i} * g{i}" for i in range(width))
        found = f"({one_a_line(changed.format(i=i) for i in range(width))}\n        )"
    return f"""(rows, grads, scales{onto and ", starts"}):
    found = []
    for {x}, {g}, scale{onto and f", {s}"} in zip(rows, grads, scales{onto and ", starts"}):
        back = scale * scale * scale * {1 / width!r} * ({products})
        found.append({found})
    return found
"""


@writer
def attend(size):
    """A head's weights, with zeros for what is still to come."""
    if size > WIDE:
        row, scores = "q", "sumprod(q, k) * c for k in keys[:seen]"
    else:
        row = f"({names('q', size)})"
        scores = f"({total(f'q{j} * k{j}' for j in range(size))}) * c for {names('k', size)} in keys[:seen]"
    return f"""(queries, keys, seen, c):
    found, zeros = [], [0.0] * len(keys)
    for {row} in queries:
        scores = [{scores}]
        top = max(scores)
        exps = [exp(s - top) for s in scores]
        inverse = 1.0 / sum(exps)
        found.append([e * inverse for e in exps] + zeros[seen:])
        seen += 1
    return found
"""


@writer
def attend_grad(size):
    """From the gradients of a head's outputs to those of its scores, c included."""
    if size > WIDE:
        row, shares = "g", "sumprod(g, v) for v in values[:seen]"
    else:
        row = f"({names('g', size)})"
        shares = f"{total(f'g{j} * v{j}' for j in range(size))} for {names('v', size)} in values[:seen]"
    return f"""(grads, values, weights, seen, c):
    found, zeros = [], [0.0] * len(values)
    for {row}, ws in zip(grads, weights):
        shares = [{shares}]
        mean = 0.0
        for w, share in zip(ws, shares):
            mean += w * share
        found.append([c * w * (share - mean) for w, share in zip(ws, shares)] + zeros[seen:])
        seen += 1
    return found
"""


@writer
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


def shape(x):
    return len(x.data), len(x.data[0])


def indices(index, limit):
    """One index or a sequence of them as a list. Raises IndexError outside 0 … limit − 1."""
    index = [index] if isinstance(index, int) else list(index)
    if min(index) < 0 or max(index) >= limit:
        raise IndexError(f"an index in {index} is outside 0 to {limit - 1}")
    return index


def embedding(w, index):
    """Rows of w. Each row's gradient gathers those of the positions that read it."""
    index = indices(index, w.shape[0])
    rows = w.rows
    y = Node([rows[i] for i in index])
    TAPE.append((embedding_grad, y, (w, index)))
    return y


def embedding_grad(y, w, index):
    found = {}
    for i, row in zip(index, y.grad):
        found[i] = add_rows([found[i]], [row])[0] if i in found else row
    grad = [found.get(i) for i in range(w.shape[0])]
    if w.by_column:
        zero = (0.0,) * w.shape[1]
        grad = list(zip(*[row or zero for row in grad]))
    w.gather(grad)


def add(a, b):
    """a + b: both get the output's gradient."""
    if len(a.data) != len(b.data) or len(a.data[0]) != len(b.data[0]):
        raise ValueError(f"cannot add the shapes {shape(a)} and {shape(b)}")
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


def spread(row, numbers):
    """The numbers in the places where row is not 0, zeros elsewhere."""
    numbers = iter(numbers)
    return [next(numbers) if x else 0.0 for x in row]


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


def side_by_side(heads):
    """(heads, positions, d) → (positions, heads · d)."""
    return [tuple(chain.from_iterable(rows)) for rows in zip(*heads)]


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
    give_entries(keys, side_by_side(dk))
    give_entries(values, side_by_side(dv))


def give_entries(entries, grad):
    """Each entry of the cache gets the gradient of its own positions."""
    start = 0
    for entry in entries:
        stop = start + len(entry.data)
        give(entry, grad[start:stop])
        start = stop


def probabilities_of(rows):
    """softmax of each row, shifted by its largest number."""
    found = []
    for row in rows:
        top = max(row)
        exps = [exp(xi - top) for xi in row]
        inverse = 1.0 / sum(exps)
        found.append([e * inverse for e in exps])
    return found


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
    zero = (0.0,) * len(w.lines[0])
    lines = [line or zero for line in w.grad or [None] * len(w.lines)]
    return [list(row) for row in (zip(*lines) if w.by_column else lines)]


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
    count_nodes=count_nodes,
    matrix=Matrix,
    read_values=read_values,
    read_gradients=read_gradients,
    optimizer=Adam,
)
