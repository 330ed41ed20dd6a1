"""The same autograd over arrays, every op and its derivative a loop that Numba compiles to machine code.

Numba compiles a function of loops over arrays when it is first called with their types. So an op is a call from Python into
one such function, as it is one or several calls into NumPy in the engine `numpy`, and nothing in between is interpreted: no
temporary arrays, no check of shapes and strides a dozen times an op. Gradients are added straight to where they belong.

Compiling takes seconds in every process, before the first gradients: the tables say how long this engine takes to start. At
larger sizes the gain shrinks, because NumPy's products are those of a library that is tuned for them. Sums may be
reordered (``reassoc``), so that they run several numbers at a time; last bits differ from the reference's. Of what Numba calls fast mathematics nothing else
is allowed: NaN and infinity stay what they are.
"""

from functools import partial

from bench.workload.engine import Engine, Parity, without_tape

unavailable = None
try:
    import numba
    import numpy as np

    compiled = numba.njit(fastmath={"reassoc", "nsz", "contract"}, error_model="numpy")
except (ImportError, AttributeError) as error:  # the latter where this folder is searched first, and numba is this file
    reason = " ".join(str(error).split())[:100]
    unavailable = f"Numba does not load ({reason}): run `python -m pip install numba` with this interpreter"

    def compiled(function):
        return function


TAPE = []  # (chain rule, output, inputs and what the chain rule wants to know), oldest first


class Node:
    """An activation (positions, n), one number per position, or one number; ``grad`` has the same shape."""

    __slots__ = ("data", "grad")

    def __init__(self, data):
        self.data = data
        self.grad = np.zeros_like(data)

    def backward(self):
        """Add d self / d weight to every weight's ``grad``. Each node hands its gradient on and forgets it."""
        if self.data.shape != ():
            raise ValueError(f"backward starts from one number, a mean of losses: got the shape {self.data.shape}")
        self.grad[()] = 1.0
        for chain_rule, output, known in reversed(TAPE):
            chain_rule(output.grad, *known)
            output.grad.fill(0.0)


class Matrix:
    """Weights (n_out, n_in) and their gradients."""

    __slots__ = ("data", "grad")

    def __init__(self, rows):
        self.data = np.array(rows, dtype=np.float64)
        if self.data.ndim != 2 or not self.data.size:
            raise ValueError(f"a matrix has rows of numbers, all of one length: got the shape {self.data.shape}")
        self.grad = np.zeros_like(self.data)


# ------------------------------------------------------------------------------ loops; every g is a gradient


@compiled
def gather(w, index, y):
    for i in range(len(index)):
        for k in range(w.shape[1]):
            y[i, k] = w[index[i], k]


@compiled
def gather_back(gy, gw, index):
    for i in range(len(index)):
        for k in range(gw.shape[1]):
            gw[index[i], k] += gy[i, k]


@compiled
def add_back(gy, ga, gb):
    for i in range(gy.shape[0]):
        for k in range(gy.shape[1]):
            ga[i, k] += gy[i, k]
            gb[i, k] += gy[i, k]


@compiled
def product(x, w, y):
    for i in range(x.shape[0]):
        for j in range(w.shape[0]):
            total = 0.0
            for k in range(x.shape[1]):
                total += w[j, k] * x[i, k]
            y[i, j] = total


@compiled
def product_back(gy, x, w, gx, gw):
    for i in range(x.shape[0]):
        for j in range(w.shape[0]):
            g = gy[i, j]  # 0 behind a relu that is closed, and yet NaN with a weight that is none, as in the reference
            for k in range(x.shape[1]):
                gx[i, k] += g * w[j, k]
                gw[j, k] += g * x[i, k]


@compiled
def normalize(x, y, scale):
    for i in range(x.shape[0]):
        total = 0.0
        for k in range(x.shape[1]):
            total += x[i, k] * x[i, k]
        scale[i] = 1.0 / np.sqrt(total / x.shape[1] + 1e-5)
        for k in range(x.shape[1]):
            y[i, k] = x[i, k] * scale[i]


@compiled
def normalize_back(gy, y, scale, gx):
    for i in range(y.shape[0]):
        total = 0.0
        for k in range(y.shape[1]):
            total += gy[i, k] * y[i, k]
        mean = total / y.shape[1]
        for k in range(y.shape[1]):
            gx[i, k] += (gy[i, k] - y[i, k] * mean) * scale[i]


@compiled
def rectify(x, y):
    for i in range(x.shape[0]):
        for k in range(x.shape[1]):
            y[i, k] = x[i, k] if x[i, k] > 0.0 else 0.0


@compiled
def rectify_back(gy, y, gx):
    for i in range(y.shape[0]):
        for k in range(y.shape[1]):
            if y[i, k] > 0.0:
                gx[i, k] += gy[i, k]


@compiled
def soften(x, scale, p):
    """exp(scale·(x − max)) over its sum, for the first len(p) of a row."""
    largest = x[0]
    for t in range(len(p)):
        largest = max(largest, x[t])
    total = 0.0
    for t in range(len(p)):
        p[t] = np.exp((x[t] - largest) * scale)
        total += p[t]
    for t in range(len(p)):
        p[t] /= total


@compiled
def attend(q, k, v, n_head, p, y):
    queries, width = q.shape[0], q.shape[1] // n_head
    before = k.shape[0] - queries  # positions that the first query may see beside its own
    scores = np.empty(k.shape[0])
    for i in range(queries):
        for h in range(n_head):
            start, stop = h * width, h * width + width
            for t in range(before + i + 1):
                total = 0.0
                for j in range(start, stop):
                    total += q[i, j] * k[t, j]
                scores[t] = total
            soften(scores, width**-0.5, p[h, i, : before + i + 1])
            y[i, start:stop] = 0.0
            for t in range(before + i + 1):
                for j in range(start, stop):
                    y[i, j] += p[h, i, t] * v[t, j]


@compiled
def attend_back(gy, q, k, v, p, gq, gk, gv):
    n_head, queries = p.shape[0], p.shape[1]
    width, before = q.shape[1] // n_head, k.shape[0] - queries
    gp = np.empty(k.shape[0])
    for i in range(queries):
        for h in range(n_head):
            start, stop = h * width, h * width + width
            among = 0.0
            for t in range(before + i + 1):
                total = 0.0
                for j in range(start, stop):
                    total += gy[i, j] * v[t, j]
                    gv[t, j] += p[h, i, t] * gy[i, j]
                gp[t] = total
                among += p[h, i, t] * total
            for t in range(before + i + 1):
                g = p[h, i, t] * (gp[t] - among) * width**-0.5
                for j in range(start, stop):
                    gq[i, j] += g * k[t, j]
                    gk[t, j] += g * q[i, j]


@compiled
def losses(x, target, p, y):
    for i in range(x.shape[0]):
        largest = x[i, 0]
        for k in range(x.shape[1]):
            largest = max(largest, x[i, k])
        total = 0.0
        for k in range(x.shape[1]):
            p[i, k] = np.exp(x[i, k] - largest)
            total += p[i, k]
        for k in range(x.shape[1]):
            p[i, k] /= total
        y[i] = np.log(total) - (x[i, target[i]] - largest)


@compiled
def losses_back(gy, p, target, gx):
    for i in range(p.shape[0]):
        for k in range(p.shape[1]):
            gx[i, k] += p[i, k] * gy[i]
        gx[i, target[i]] -= gy[i]


@compiled
def update(data, grad, m, v, beta1, beta2, correction1, correction2, learning_rate, eps, shrink, decay):
    for i in range(len(data)):
        g = grad[i] * shrink
        m[i] = beta1 * m[i] + (1 - beta1) * g
        v[i] = beta2 * v[i] + (1 - beta2) * g * g
        data[i] = data[i] * decay - learning_rate * (m[i] / correction1) / (np.sqrt(v[i] / correction2) + eps)
        grad[i] = 0.0


# ------------------------------------------------------------------------------ the ops: sizes are checked, loops don't


def indices(index, rows):
    """One index or a sequence of them as an array. Raises IndexError outside 0 … rows − 1."""
    index = [index] if isinstance(index, int) else index
    if min(index) < 0 or max(index) >= rows:
        raise IndexError(f"an index in {list(index)} is outside 0 to {rows - 1}")
    return np.array(index, dtype=np.int64)


def embedding(w, index):
    index = indices(index, len(w.data))
    y = Node(np.empty((len(index), w.data.shape[1])))
    gather(w.data, index, y.data)
    TAPE.append((embedding_grad, y, (w, index)))
    return y


def embedding_grad(grad, w, index):
    gather_back(grad, w.grad, index)


def add(a, b):
    if a.data.shape != b.data.shape:
        raise ValueError(f"cannot add the shapes {a.data.shape} and {b.data.shape}")
    y = Node(a.data + b.data)
    TAPE.append((add_grad, y, (a, b)))
    return y


def add_grad(grad, a, b):
    add_back(grad, a.grad, b.grad)


def linear(x, w):
    if x.data.shape[1] != w.data.shape[1]:
        raise ValueError(f"the shapes {x.data.shape} and {w.data.shape} do not fit: both end in the same number")
    y = Node(np.empty((len(x.data), len(w.data))))
    product(x.data, w.data, y.data)
    TAPE.append((linear_grad, y, (x, w)))
    return y


def linear_grad(grad, x, w):
    product_back(grad, x.data, w.data, x.grad, w.grad)


def rmsnorm(x):
    y, scale = Node(np.empty_like(x.data)), np.empty(len(x.data))
    normalize(x.data, y.data, scale)
    TAPE.append((rmsnorm_grad, y, (x, y.data, scale)))
    return y


def rmsnorm_grad(grad, x, y, scale):
    normalize_back(grad, y, scale, x.grad)


def relu(x):
    y = Node(np.empty_like(x.data))
    rectify(x.data, y.data)
    TAPE.append((relu_grad, y, (x, y.data)))
    return y


def relu_grad(grad, x, y):
    rectify_back(grad, y, x.grad)


def attention(q, keys, values, n_head):
    queries, n = q.data.shape
    k, v = joined([x.data for x in keys]), joined([x.data for x in values])
    if n_head < 1 or n % n_head or k.shape != v.shape or k.shape[1] != n or len(k) < queries:
        raise ValueError(f"queries {q.data.shape}, keys {k.shape} and values {v.shape} do not fit {n_head} heads")
    y, p = Node(np.empty((queries, n))), np.zeros((n_head, queries, len(k)))
    attend(q.data, k, v, n_head, p, y.data)
    TAPE.append((attention_grad, y, (q, tuple(keys), tuple(values), k, v, p)))
    return y


def attention_grad(grad, q, keys, values, k, v, p):
    gk = keys[0].grad if len(keys) == 1 else np.zeros_like(k)
    gv = values[0].grad if len(values) == 1 else np.zeros_like(v)
    attend_back(grad, q.data, k, v, p, q.grad, gk, gv)
    for entries, gradients in ((keys, gk), (values, gv)):
        start = 0
        for entry in entries if len(entries) > 1 else ():
            entry.grad += gradients[start : start + len(entry.data)]
            start += len(entry.data)


def joined(parts):
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def cross_entropy(logits, target):
    rows, n = logits.data.shape
    target = indices(target, n)
    if len(target) != rows:
        raise ValueError(f"{len(target)} targets for {rows} positions: give one each")
    y, p = Node(np.empty(rows)), np.empty((rows, n))
    losses(logits.data, target, p, y.data)
    TAPE.append((cross_entropy_grad, y, (logits, p, target)))
    return y


def cross_entropy_grad(grad, logits, p, target):
    losses_back(grad, p, target, logits.grad)


def mean(losses):
    n = sum(len(loss.data) for loss in losses)
    y = Node(np.array(sum(float(loss.data.sum()) for loss in losses) / n))
    TAPE.append((mean_grad, y, (tuple(losses), n)))
    return y


def mean_grad(grad, losses, n):
    for loss in losses:
        loss.grad += grad / n


def probabilities(logits, temperature):
    if len(logits.data) != 1:
        raise ValueError(f"probabilities are of one position, not of {len(logits.data)}")
    p = np.empty(logits.data.shape[1])
    soften(logits.data[0], 1 / temperature, p)
    return p.tolist()


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
    """Adam in one loop over all weights, which lie in one array, as do all gradients and each of the moments."""

    def __init__(self, matrices, beta1, beta2, eps):
        self.matrices = list(matrices)
        self.beta1, self.beta2, self.eps = beta1, beta2, eps
        size = sum(w.data.size for w in self.matrices)
        self.data, self.grad, self.m, self.v = (np.zeros(size) for _ in range(4))
        start = 0
        for w in self.matrices:
            stop = start + w.data.size
            data, grad = (flat[start:stop].reshape(w.data.shape) for flat in (self.data, self.grad))
            data[:] = w.data
            w.data, w.grad = data, grad
            start = stop

    def update(self, t, learning_rate, corrections=None, shrink=1.0, decay=1.0):
        correction1, correction2 = corrections or (1 - self.beta1**t, 1 - self.beta2**t)
        update(self.data, self.grad, self.m, self.v, self.beta1, self.beta2, correction1, correction2,
               learning_rate, self.eps, shrink, decay)  # fmt: skip

    def load(self, weights, m, v, t):
        self.data[:], self.m[:], self.v[:] = weights, m, v
        self.grad.fill(0.0)

    def snapshot(self):
        return self.data.copy(), self.m.copy(), self.v.copy()

    def restore(self, snapshot):
        self.data[:], self.m[:], self.v[:] = snapshot
        self.grad.fill(0.0)


ENGINE = Engine(
    name="numba",
    summary="the same autograd as loops over arrays that Numba compiles",
    parent="numpy",
    change="a compiled loop for each op, in place of calls into NumPy",
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
