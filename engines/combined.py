"""Every scalar optimization that pays, in one engine: still one scalar a node.

Kept from the parent: one n-ary node per dot product. Changed, in the order of what each was found to buy:

- creation order is the sort: no search, no set of visited nodes; together with single nodes for division,
  sums, scales and the loss;
- the products of a dot product are added by ``math.sumprod`` (CPython 3.12 on) or ``sum(map(mul, ...))`` in place
  of the parent's left fold: the order of a sum is free here, within rounding;
- Adam with its constants taken out of the loop and its moments in lists;
- a weight's number read once a step instead of once a position;
- nodes with gradient 0 passed over: behind each closed relu lies a whole row of a matrix;
- a dot product keeps its two vectors of children apart and shares them with the other dot products, in
  place of a tuple of all its children of its own;
- in attention, score and exponential are one node, and so are the division by the sum and the weighted sum: little,
  for there are few of them beside the products of the matrices.

What was tried and does not pay: an explicit stack (the tape needs no sort), closures (a call per node, and a cycle
for the garbage collector), ``attrgetter`` mapped in C (slower than a list comprehension everywhere), children in
several vectors for every kind of node (gains in the dot products, loses in all others), a class of its own for dot
products (from CPython 3.11 on attributes are found fastest where all objects have one class), one node per output for
all of softmax or rmsnorm (each output would have all inputs as children: n² local gradients in place of 3n),
weights made in a list of their own, as in `grouped_adam` (they lie together already: all gradients are read first).

What remains is the chain rule itself: ``child.grad += local * grad`` for each child of each node. Only vectors
as nodes make that cheaper.
"""

import math
from functools import partial
from operator import mul

from bench.workload.engine import Engine, Parity, without_tape

TAPE = []  # every node that an operation made, oldest first; leaves are not on it
NOT_FINITE = []  # what a relu has hidden; behind it 0 · inf is not 0, so that no node is passed over
WEIGHTS = {}  # the numbers of each matrix met since the last reset, by the matrix's id


class Value:
    """A number in the graph: ``data``, and after backward ``grad`` = d loss / d this."""

    __slots__ = ("_children", "_local_grads", "data", "grad")

    def __init__(self, data, children=(), local_grads=()):
        self.data = data
        self.grad = 0.0
        self._children = children  # a tuple; of a dot product the list of its two vectors
        self._local_grads = local_grads  # d this / d child, one per child
        if children:
            TAPE.append(self)

    def __add__(self, other):
        if isinstance(other, Value):
            return Value(self.data + other.data, (self, other), (1.0, 1.0))
        return Value(self.data + other, (self,), (1.0,))

    def __mul__(self, other):
        if isinstance(other, Value):
            return Value(self.data * other.data, (self, other), (other.data, self.data))
        return Value(self.data * other, (self,), (other,))

    def __pow__(self, other):
        return Value(self.data**other, (self,), (other * self.data ** (other - 1),))

    def log(self):
        return Value(math.log(self.data), (self,), (1 / self.data,))

    def exp(self):
        e = math.exp(self.data)
        return Value(e, (self,), (e,))

    def relu(self):
        x = self.data
        if x > 0:
            return Value(x, (self,), (1.0,))
        if not x > -math.inf:
            NOT_FINITE.append(x)
        return Value(0.0, (self,), (0.0,))

    def __neg__(self):
        return Value(-self.data, (self,), (-1.0,))

    def __radd__(self, other):
        return self + other

    def __sub__(self, other):
        if isinstance(other, Value):
            return Value(self.data - other.data, (self, other), (1.0, -1.0))
        return Value(self.data - other, (self,), (1.0,))

    def __rsub__(self, other):
        return Value(other - self.data, (self,), (-1.0,))

    def __rmul__(self, other):
        return self * other

    def __truediv__(self, other):
        a = self.data
        if isinstance(other, Value):
            b = other.data
            return Value(a / b, (self, other), (1 / b, -a / (b * b)))
        return Value(a / other, (self,), (1 / other,))

    def __rtruediv__(self, other):
        b = self.data
        return Value(other / b, (self,), (-other / (b * b),))

    def backward(self):
        """Add d self / d node to every node's ``grad``, from self down to the leaves; once between two resets."""
        self.grad = 1.0
        for v in reversed(TAPE):
            grad = v.grad
            if not grad and not NOT_FINITE:
                continue
            if v._children.__class__ is list:
                (a, b), (a_grads, b_grads) = v._children, v._local_grads
                for child, local_grad in zip(a, a_grads):
                    child.grad += local_grad * grad
                for child, local_grad in zip(b, b_grads):
                    child.grad += local_grad * grad
            else:
                for child, local_grad in zip(v._children, v._local_grads):
                    child.grad += local_grad * grad


if hasattr(math, "sumprod"):
    dot = math.sumprod
else:

    def dot(a, b):
        """Σ aᵢ·bᵢ of plain numbers: (n,), (n,) → float."""
        return sum(map(mul, a, b))


def add(a, b):
    return [Value(ai.data + bi.data, (ai, bi), (1.0, 1.0)) for ai, bi in zip(a, b)]


def linear(x, w):
    """y_o = Σᵢ w_oᵢ·xᵢ as one node: d y_o / d w_oᵢ = xᵢ, d y_o / d xᵢ = w_oᵢ."""
    if id(w) not in WEIGHTS:
        WEIGHTS[id(w)] = w, [[wi.data for wi in row] for row in w]  # with w itself, so that its id stays its own
    x_data = [xi.data for xi in x]
    return [Value(dot(row_data, x_data), [row, x], (x_data, row_data)) for row, row_data in zip(*WEIGHTS[id(w)])]


def rmsnorm(x):
    """scale = (Σ xᵢ²/n + ε)^−½ as one node: d scale / d xᵢ = −(Σ xᵢ²/n + ε)^−3⁄2 · xᵢ/n; then n products."""
    x_data = [xi.data for xi in x]
    n = len(x)
    ms = dot(x_data, x_data) / n + 1e-5
    s = ms**-0.5
    factor = -s / (ms * n)
    scale = Value(s, tuple(x), [factor * xi for xi in x_data])
    return [Value(xi_data * s, (xi, scale), (s, xi_data)) for xi, xi_data in zip(x, x_data)]


def softmax(logits):
    """exp(x − max) over its sum; the sum is one node."""
    max_val = max([x.data for x in logits])
    exps = [Value(e, (x,), (e,)) for x, e in [(x, math.exp(x.data - max_val)) for x in logits]]
    total = Value(sum([e.data for e in exps]), tuple(exps), (1.0,) * len(exps))
    return [e / total for e in exps]


def attention(q, keys, values, n_head):
    """Per head: e_t = exp(q·k_t/√d − max) as one node, Σe as one, and each Σ_t e_t·v_tj / Σe as one.

    d e_t / d q = e_t·k_t/√d and d e_t / d k_t = e_t·q/√d; with p = e/Σe and o_j = Σ_t p_t·v_tj,
    d o_j / d v_tj = p_t, d o_j / d e_t = v_tj/Σe and d o_j / d Σe = −o_j/Σe.
    """
    head_dim = len(q) // n_head
    scale = head_dim**-0.5
    x_attn = []
    for start in range(0, len(q), head_dim):
        columns = slice(start, start + head_dim)
        q_h = q[columns]
        q_data = [qi.data * scale for qi in q_h]
        k_hs = [k[columns] for k in keys]
        k_datas = [[ki.data for ki in k_h] for k_h in k_hs]
        logits = [dot(q_data, k_data) for k_data in k_datas]
        max_val = max(logits)
        exps_data = [math.exp(x - max_val) for x in logits]
        exps = []
        for k_h, k_data, e in zip(k_hs, k_datas, exps_data):
            e_scale = e * scale
            exps.append(Value(e, [q_h, k_h], ([e_scale * ki for ki in k_data], [e * qi for qi in q_data])))
        total_data = sum(exps_data)
        inverse = 1 / total_data
        weights = [e * inverse for e in exps_data]
        divided = [*exps, Value(total_data, tuple(exps), (1.0,) * len(exps))]
        for v_j in zip(*[v[columns] for v in values]):
            v_data = [vi.data for vi in v_j]
            o = dot(weights, v_data)
            x_attn.append(Value(o, [v_j, divided], (weights, [*[vi * inverse for vi in v_data], -o * inverse])))
    return x_attn


def cross_entropy(logits, target):
    """log Σ exp(logits) − logits[target] as one node; d / d logit i is softmax(logits)[i] − [i = target]."""
    data = [x.data for x in logits]
    max_val = max(data)
    exps = [math.exp(x - max_val) for x in data]
    total = sum(exps)
    local_grads = [e / total for e in exps]
    local_grads[target] -= 1
    return Value(math.log(total) + max_val - data[target], tuple(logits), local_grads)


def mean(losses):
    n = len(losses)
    return Value(sum([loss.data for loss in losses]) / n, tuple(losses), (1 / n,) * n)


def reset():
    TAPE.clear()
    NOT_FINITE.clear()
    WEIGHTS.clear()


def count_nodes(loss):
    seen, stack = {id(loss)}, [loss]
    while stack:
        v = stack.pop()
        children = v._children
        for child in sum(map(tuple, children), ()) if children.__class__ is list else children:
            if id(child) not in seen:
                seen.add(id(child))
                stack.append(child)
    return len(seen)


class Adam:
    """Adam as the contract's, with what is the same for every parameter worked out once."""

    def __init__(self, matrices, beta1, beta2, eps):
        self.parameters = [p for matrix in matrices for row in matrix for p in row]
        self.beta1, self.beta2, self.eps = beta1, beta2, eps
        self.m = [0.0] * len(self.parameters)
        self.v = [0.0] * len(self.parameters)

    def update(self, t, learning_rate, corrections=None, shrink=1.0, decay=1.0):
        beta1, beta2, eps, sqrt = self.beta1, self.beta2, self.eps, math.sqrt
        rest1, rest2 = 1 - beta1, 1 - beta2
        correction1, correction2 = corrections or (1 - beta1**t, 1 - beta2**t)
        rate = learning_rate / correction1
        correction = 1 / correction2
        grads = [p.grad for p in self.parameters]
        if shrink != 1.0:
            grads = [g * shrink for g in grads]
        if decay != 1.0:
            for p in self.parameters:
                p.data *= decay
        self.m = [beta1 * m + rest1 * g for m, g in zip(self.m, grads)]
        self.v = [beta2 * v + rest2 * g * g for v, g in zip(self.v, grads)]
        for p, m, v in zip(self.parameters, self.m, self.v):
            p.data -= rate * m / (sqrt(v * correction) + eps)
            p.grad = 0.0
        WEIGHTS.clear()

    def load(self, weights, m, v, t):
        self.m, self.v = list(m), list(v)
        for p, x in zip(self.parameters, weights):
            p.data = x
            p.grad = 0.0
        WEIGHTS.clear()

    def snapshot(self):
        return [p.data for p in self.parameters], self.m, self.v  # update makes new moments, so these stay

    def restore(self, snapshot):
        data, self.m, self.v = snapshot
        for p, x in zip(self.parameters, data):
            p.data = x
            p.grad = 0.0
        WEIGHTS.clear()


ENGINE = Engine(
    name="combined",
    summary="every scalar optimization that pays",
    parent="fused_dot",
    change="tape; fewer and cheaper nodes; a leaner Adam",
    parity=Parity.ROUNDING,
    value=Value,
    add=add,
    linear=linear,
    rmsnorm=rmsnorm,
    softmax=softmax,
    attention=attention,
    cross_entropy=cross_entropy,
    mean=mean,
    reset=reset,
    no_graph=partial(without_tape, globals()),
    count_nodes=count_nodes,
    optimizer=Adam,
)
