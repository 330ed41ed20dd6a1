"""Every scalar optimization that pays, in one engine: still one scalar a node.

Kept from the parent: one n-ary node per dot product. Added, each because it makes fewer or cheaper nodes:
creation order instead of a sort (no search, no set of visited nodes), a division node, the loss as one node,
sums as one n-ary node without a phantom zero, the scale of rmsnorm and the scaled attention logit as one node each
(a constant factor goes into the local gradients), attributes read out by ``attrgetter`` in C, and a backward loop
that skips nodes the loss does not depend on. What remains is the chain rule itself: about 60,000 times
``child.grad += local * grad`` a step, as many as the reference has.

Left out because it does not pay: an explicit stack (the tape needs no sort at all), closures (a call per
node and a cycle for the garbage collector), and one node for all of softmax or rmsnorm (each output would have all
inputs as children: n² local gradients in place of 3n).
"""

import math
from collections import deque
from itertools import accumulate
from operator import attrgetter, mul

from bench.workload.engine import Engine, Parity

TAPE = []  # every node that an operation made, oldest first; leaves are not on it
data_of = attrgetter("data")


class Value:
    """A number in the graph: ``data``, and after backward ``grad`` = d loss / d this."""

    __slots__ = ("_children", "_local_grads", "data", "grad")

    def __init__(self, data, children=(), local_grads=()):
        self.data = data
        self.grad = 0.0
        self._children = children
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
        return Value(x, (self,), (1.0,)) if x > 0 else Value(x * 0.0, (self,), (0.0,))

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
            if grad:
                for child, local_grad in zip(v._children, v._local_grads):
                    child.grad += local_grad * grad


def dot(a, b):
    """Σ aᵢ·bᵢ of plain numbers, from left to right, in C: (n,), (n,) → float."""
    # sum() compensates the rounding of floats from CPython 3.12 on: no wrong answer, but another one
    return deque(accumulate(map(mul, a, b)), maxlen=1).pop()


def matrix(rows):
    return [tuple(map(Value, row)) for row in rows]


def linear(x, w):
    """y_o = Σᵢ w_oᵢ·xᵢ as one node: d y_o / d w_oᵢ = xᵢ, d y_o / d xᵢ = w_oᵢ."""
    x = tuple(x)
    x_data = tuple(map(data_of, x))
    y = []
    for row in w:
        row_data = tuple(map(data_of, row))
        y.append(Value(dot(row_data, x_data), row + x, x_data + row_data))
    return y


def rmsnorm(x):
    """scale = (Σ xᵢ²/n + ε)^−½ as one node: d scale / d xᵢ = −(Σ xᵢ²/n + ε)^−3⁄2 · xᵢ/n."""
    x_data = tuple(map(data_of, x))
    n = len(x_data)
    ms = dot(x_data, x_data) / n + 1e-5
    factor = -(ms**-1.5) / n
    scale = Value(ms**-0.5, tuple(x), tuple([factor * xi for xi in x_data]))
    return [xi * scale for xi in x]


def softmax(logits):
    """exp(x − max) over its sum; the sum is one node."""
    max_val = max(map(data_of, logits))
    exps = tuple([(val - max_val).exp() for val in logits])
    *_, total_data = accumulate(map(data_of, exps))
    total = Value(total_data, exps, (1.0,) * len(exps))
    return [e / total for e in exps]


def attention(q, keys, values, n_head):
    head_dim = len(q) // n_head
    scale = head_dim**-0.5
    x_attn = []
    for h in range(n_head):
        columns = slice(h * head_dim, (h + 1) * head_dim)
        q_h = tuple(q[columns])
        q_data = tuple(map(data_of, q_h))
        q_scaled = tuple([scale * qi for qi in q_data])
        attn_logits = []
        for k in keys:
            k_h = tuple(k[columns])
            k_data = tuple(map(data_of, k_h))
            k_scaled = tuple([scale * ki for ki in k_data])
            attn_logits.append(Value(dot(q_data, k_data) * scale, q_h + k_h, k_scaled + q_scaled))
        weights = tuple(softmax(attn_logits))
        weights_data = tuple(map(data_of, weights))
        for v_j in zip(*[v[columns] for v in values]):
            v_data = tuple(map(data_of, v_j))
            x_attn.append(Value(dot(weights_data, v_data), weights + v_j, v_data + weights_data))
    return x_attn


def cross_entropy(logits, target):
    """log Σ exp(logits) − logits[target] as one node; d / d logit i is softmax(logits)[i] − [i = target]."""
    max_val = max(map(data_of, logits))
    exps = [math.exp(val.data - max_val) for val in logits]
    *_, total = accumulate(exps)
    local_grads = [e / total for e in exps]
    local_grads[target] -= 1
    return Value(math.log(total) + max_val - logits[target].data, tuple(logits), tuple(local_grads))


def mean(losses):
    n = len(losses)
    *_, total = accumulate(map(data_of, losses))
    return Value(total / n, tuple(losses), (1 / n,) * n)


ENGINE = Engine(
    name="combined",
    summary="every scalar optimization that pays",
    parent="fused_dot",
    change="tape, division, loss, sums and scales as single nodes",
    parity=Parity.ROUNDING,
    value=Value,
    matrix=matrix,
    linear=linear,
    rmsnorm=rmsnorm,
    softmax=softmax,
    attention=attention,
    cross_entropy=cross_entropy,
    mean=mean,
    reset=TAPE.clear,
)
