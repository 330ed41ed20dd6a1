"""The same autograd over arrays: a node is a whole activation, (positions, n), and NumPy does its arithmetic.

A tape of some thirty nodes a step in place of the reference's fifty thousand (nodes, in the tables of ``run``), all
positions of a document at once. At these sizes what is left is not arithmetic but calls into NumPy, so the
file counts calls: ``a.dot(b)`` costs less than ``a @ b``, a constant is an array (a Python float is converted in
every call), operands have equal shapes where they can (broadcasting costs more than the arithmetic), sums of rows
are products with a constant vector, a gradient goes straight into its place. All weights lie in one array, and so
do all gradients and each of Adam's moments: an update of the whole model is a dozen calls.

The wider the model and the longer the documents, the larger the gain. BLAS is held to one thread by its environment
variables, which it reads when NumPy is first imported; it would not share products as small as the default
model's anyway. Sums run in another order than the reference's, so last bits differ.
"""

import os
from functools import lru_cache, partial

from bench.workload.engine import Engine, Parity, without_tape

for variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

unavailable = None
try:
    import numpy as np

    ZERO, EPSILON = np.array(0.0), np.array(1e-5)
except (ImportError, AttributeError) as error:  # the latter where this folder is searched first, and np is this file
    reason = " ".join(str(error).split())[:100]
    unavailable = f"NumPy does not load ({reason}): run `python -m pip install numpy` with this interpreter"

SAFE = 600.0**2  # exp() of anything up to ±600 is a normal number, and so is a sum of very many of them
TAPE = []  # (backward, output, inputs and what backward wants to know), oldest first


class Node:
    """An activation (positions, n), one number per position, or one number; ``grad`` is None until one arrives."""

    __slots__ = ("data", "grad")

    def __init__(self, data):
        self.data = data
        self.grad = None

    def backward(self):
        """Add d self / d weight to every weight's ``grad``. Each node hands its gradient on and forgets it."""
        if not isinstance(self.data, float):
            raise ValueError(f"backward starts from one number, a mean of losses: got the shape {self.data.shape}")
        self.grad = 1.0
        for chain_rule, output, known in reversed(TAPE):
            if output.grad is not None:
                chain_rule(output.grad, *known)
                output.grad = None


class Matrix:
    """Weights (n_out, n_in), their gradients, and whether those are still zero."""

    __slots__ = ("clean", "data", "grad", "transposed")

    def __init__(self, rows):
        data = np.array(rows, dtype=np.float64)
        if data.ndim != 2 or not data.size:
            raise ValueError(f"a matrix has rows of numbers, all of one length: got the shape {data.shape}")
        self.place(data, np.zeros_like(data))

    def place(self, data, grad):
        """Live in these arrays from now on."""
        self.data, self.grad, self.transposed = data, grad, data.T
        self.clean = True


def give(x, grad):
    """Add to a node's gradient. Out of place, because the first gradient may be another node's too."""
    x.grad = grad if x.grad is None else x.grad + grad


def constant(make):
    """``make`` with its results, which depend on sizes only, kept and protected."""

    @lru_cache(maxsize=256)
    def made(*sizes):
        array = make(*sizes)
        array.setflags(write=False)
        return array

    return made


@constant
def ones(n):
    return np.ones(n)


@constant
def averager(n):
    return np.full((n, 1), 1 / n)


@constant
def row_starts(rows, n):
    return np.arange(rows) * n


@constant
def inverse_root(n):
    return np.array(n**-0.5)


@constant
def causal(n_head, queries, positions):
    """1 where a query may look, 0 in its future; the queries are the last of the positions."""
    return np.tile(np.tri(queries, positions, positions - queries), (n_head, 1, 1))


def indices(index, rows):
    """One index or a sequence of them as an array. Raises IndexError outside 0 … rows − 1."""
    index = [index] if isinstance(index, int) else index
    if min(index) < 0 or max(index) >= rows:
        raise IndexError(f"an index in {list(index)} is outside 0 to {rows - 1}")
    return np.array(index)


def embedding(w, index):
    """Rows of w. d loss / d w gets the output's gradients, each added to its row."""
    if isinstance(index, range) and index.step == 1 and 0 <= index.start < index.stop <= len(w.data):
        where = slice(index.start, index.stop)  # positions: a view instead of a copy
        y = Node(w.data[where])
        TAPE.append((embedding_range_grad, y, (w, where)))
    else:
        where = indices(index, len(w.data))
        y = Node(w.data.take(where, 0))
        TAPE.append((embedding_grad, y, (w, where)))
    return y


def embedding_range_grad(grad, w, where):
    w.clean = False
    rows = w.grad[where]
    np.add(rows, grad, rows)


def embedding_grad(grad, w, where):
    w.clean = False
    np.add.at(w.grad, where, grad)  # not w.grad[where] += grad, which adds once where a token comes twice


def add(a, b):
    """a + b: both get the output's gradient."""
    if a.data.shape != b.data.shape:
        raise ValueError(f"cannot add the shapes {a.data.shape} and {b.data.shape}")
    y = Node(a.data + b.data)
    TAPE.append((add_grad, y, (a, b)))
    return y


def add_grad(grad, a, b):
    give(a, grad)
    give(b, grad)


def linear(x, w):
    """Y = X·Wᵀ: dX = dY·W and dW = dYᵀ·X, the sum over positions inside the product."""
    y = Node(x.data.dot(w.transposed))
    TAPE.append((linear_grad, y, (x, w)))
    return y


def linear_grad(grad, x, w):
    if w.clean:
        w.clean = False
        grad.T.dot(x.data, w.grad)  # straight into its place
    else:
        w.grad += grad.T.dot(x.data)
    give(x, grad.dot(w.data))


def rmsnorm(x):
    """y = x/r with r = √(mean x² + ε): dx = (dy − y · mean(dy·y)) / r, because dr/dx_i = y_i/n."""
    data = x.data
    r = (data * data).dot(averager(data.shape[1]))
    r += EPSILON
    np.sqrt(r, r)
    y = Node(data / r)
    TAPE.append((rmsnorm_grad, y, (x, y.data, r)))
    return y


def rmsnorm_grad(grad, x, y, r):
    mean_of_products = (grad * y).dot(averager(y.shape[1]))
    give(x, (grad - y * mean_of_products) / r)


def relu(x):
    """max(0, x): the gradient passes where the output is above 0."""
    y = Node(np.fmax(x.data, ZERO))
    TAPE.append((relu_grad, y, (x, y.data)))
    return y


def relu_grad(grad, x, y):
    give(x, grad * np.sign(y))


def exponentials(x):
    """exp(x), or exp(x − max of its row) where that is needed; softmax is the same for both.

    The shift is there against overflow. The norm of all of x bounds each |x|, and is one BLAS call.
    """
    flat = x.reshape(-1)
    if flat.dot(flat) < SAFE:
        return np.exp(x), None
    shift = x.max(axis=-1, keepdims=True)
    return np.exp(x - shift), shift


def attention(q, keys, values, n_head):
    """Per head: S = Q·Kᵀ/√d, P = softmax of S's rows up to the diagonal, O = P·V. Heads are a batch of products.

    dV = Pᵀ·dO; dP = dO·Vᵀ; dS = P∘(dP − Σ_row P∘dP); dQ = dS·K/√d; dK = dSᵀ·Q/√d.
    """
    queries, n = q.data.shape
    if len(keys) == 1 == len(values):
        keys_data, values_data = keys[0].data, values[0].data
    else:
        keys_data = np.concatenate([k.data for k in keys])
        values_data = np.concatenate([v.data for v in values])
    positions = len(keys_data)
    if n_head < 1 or n % n_head or keys_data.shape != values_data.shape or positions < queries:
        raise ValueError(
            f"queries {q.data.shape}, keys {keys_data.shape} and values {values_data.shape} do not fit {n_head} heads"
        )
    head_dim = n // n_head
    scale = inverse_root(head_dim)
    # views (heads, positions, d), in strides that BLAS takes
    q_heads = (q.data * scale).reshape(queries, n_head, head_dim).transpose(1, 0, 2)
    k_heads = keys_data.reshape(positions, n_head, head_dim).transpose(1, 0, 2)
    v_heads = values_data.reshape(positions, n_head, head_dim).transpose(1, 0, 2)
    scores = np.matmul(q_heads, k_heads.transpose(0, 2, 1))
    mask = causal(n_head, queries, positions)
    p, shift = exponentials(scores)
    if shift is not None:  # a future score that is the largest must not set the shift
        scores[mask == 0] = -np.inf
        p, _ = exponentials(scores)
    p *= mask
    p /= p.reshape(-1, positions).dot(ones(positions)).reshape(n_head, queries, 1)
    out = np.empty((queries, n))
    np.matmul(p, v_heads, out.reshape(queries, n_head, head_dim).transpose(1, 0, 2))
    y = Node(out)
    TAPE.append((attention_grad, y, (q, tuple(keys), tuple(values), q_heads, k_heads, v_heads, p, scale)))
    return y


def attention_grad(grad, q, keys, values, q_heads, k_heads, v_heads, p, scale):
    n_head, queries, head_dim = q_heads.shape
    positions = k_heads.shape[1]
    n = n_head * head_dim
    d_out = grad.reshape(queries, n_head, head_dim).transpose(1, 0, 2)
    ds = np.matmul(d_out, v_heads.transpose(0, 2, 1))
    ds *= p
    row_sums = ds.reshape(-1, positions).dot(ones(positions)).reshape(n_head, queries, 1)
    ds -= p * row_sums
    dq, dk, dv = np.empty((queries, n)), np.empty((positions, n)), np.empty((positions, n))
    np.matmul(ds, k_heads, dq.reshape(queries, n_head, head_dim).transpose(1, 0, 2))
    np.matmul(ds.transpose(0, 2, 1), q_heads, dk.reshape(positions, n_head, head_dim).transpose(1, 0, 2))
    np.matmul(p.transpose(0, 2, 1), d_out, dv.reshape(positions, n_head, head_dim).transpose(1, 0, 2))
    dq *= scale  # the scale of dK is in q_heads already
    give(q, dq)
    give_rows(keys, dk)
    give_rows(values, dv)


def give_rows(entries, grad):
    """Each entry of the cache gets the gradient of its own positions."""
    start = 0
    for entry in entries:
        stop = start + len(entry.data)
        give(entry, grad[start:stop])
        start = stop


def cross_entropy(logits, target):
    """log Σ exp x − x[target] per position: dx = (softmax(x) − one at the target) · the position's gradient."""
    x = logits.data
    rows, n = x.shape
    target = indices(target, n)
    if len(target) != rows:
        raise ValueError(f"{len(target)} targets for {rows} positions: give one each")
    at = target + row_starts(rows, n)
    exps, shift = exponentials(x)
    totals = exps.dot(ones(n))
    loss = np.log(totals) - x.take(at)
    if shift is not None:
        loss += shift[:, 0]
    y = Node(loss)
    TAPE.append((cross_entropy_grad, y, (logits, exps, totals, at)))
    return y


def cross_entropy_grad(grad, logits, exps, totals, at):
    d_logits = exps * (grad / totals)[:, None]
    d_logits.reshape(-1)[at] -= grad
    give(logits, d_logits)


def mean(losses):
    """The mean over all numbers of all entries: each gets 1/n of the gradient."""
    n = sum(map(len, [loss.data for loss in losses]))
    y = Node(float(sum([loss.data.dot(ones(len(loss.data))) for loss in losses])) / n)
    TAPE.append((mean_grad, y, (tuple(losses), n)))
    return y


def mean_grad(grad, losses, n):
    for loss in losses:
        give(loss, ones(len(loss.data)) * (grad / n))


def probabilities(logits, temperature):
    if len(logits.data) != 1:
        raise ValueError(f"probabilities are of one position, not of {len(logits.data)}")
    exps, _ = exponentials(logits.data * (1 / temperature))
    return (exps / exps.sum())[0].tolist()


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


def read_values(matrix):
    return matrix.data.tolist()


def read_gradients(matrix):
    return matrix.grad.tolist()


class Adam:
    """Adam over all weights in one array, with as few passes over it as the formula allows.

    Kept are M = m/(1 − β₁) and V = v/(1 − β₂), so that M ← β₁M + g and V ← β₂V + g². With c = (1 − β₂)/(1 − β₂ᵗ),
    √v̂ + ε = √c·(√V + ε/√c), and the factors gather in the learning rate.
    """

    def __init__(self, matrices, beta1, beta2, eps):
        self.matrices = list(matrices)
        self.beta1, self.beta2, self.eps = beta1, beta2, eps
        self.beta1_array, self.beta2_array = np.array(beta1), np.array(beta2)
        size = sum(w.data.size for w in self.matrices)
        self.data, self.grad, self.m, self.v, self.scratch = (np.zeros(size) for _ in range(5))
        start = 0
        for w in self.matrices:
            stop = start + w.data.size
            data, grad = (flat[start:stop].reshape(w.data.shape) for flat in (self.data, self.grad))
            data[:] = w.data
            w.place(data, grad)
            start = stop

    def update(self, t, learning_rate, corrections=None, shrink=1.0, decay=1.0):
        beta1, beta2, grad, m, v, scratch = self.beta1, self.beta2, self.grad, self.m, self.v, self.scratch
        correction1, correction2 = corrections or (1 - beta1**t, 1 - beta2**t)
        root = ((1 - beta2) / correction2) ** 0.5
        if shrink != 1.0:
            grad *= shrink
        if decay != 1.0:
            self.data *= decay
        m *= self.beta1_array
        m += grad
        np.multiply(grad, grad, scratch)
        v *= self.beta2_array
        v += scratch
        np.sqrt(v, scratch)
        scratch += self.eps / root
        np.divide(m, scratch, scratch)
        scratch *= learning_rate * (1 - beta1) / (correction1 * root)
        self.data -= scratch
        self.zero()

    def zero(self):
        self.grad.fill(0.0)
        for w in self.matrices:
            w.clean = True

    def load(self, weights, m, v, t):
        self.data[:] = weights
        np.divide(m, 1 - self.beta1, self.m)
        np.divide(v, 1 - self.beta2, self.v)
        self.zero()

    def snapshot(self):
        return self.data.copy(), self.m.copy(), self.v.copy()

    def restore(self, snapshot):
        self.data[:], self.m[:], self.v[:] = snapshot
        self.zero()


ENGINE = Engine(
    name="numpy",
    summary="the same autograd over NumPy arrays",
    parent="reference",
    change="arrays as nodes, all positions at once",
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
    reset=TAPE.clear,
    no_graph=partial(without_tape, globals()),
    count_nodes=count_nodes,
    matrix=Matrix,
    read_values=read_values,
    read_gradients=read_gradients,
    optimizer=Adam,
)
