"""The reference with one n-ary node per dot product, in place of 2n nodes of products and sums.

A row of a matrix times a vector of length n is one node with 2n children, whose local gradients are the
other factor's numbers. The graph loses six in seven of its nodes (see the tables of ``run``), and with them their allocations, their
share of the sort and of the garbage collector's work; the arithmetic stays the same. The products are
added from left to right, and the sort meets the nodes in the reference's order, so every bit stays.
"""

import math
from collections import deque
from itertools import accumulate
from operator import mul

from bench.workload.engine import Engine, Parity, softmax


class Value:
    """A number in the graph: ``data``, and after backward ``grad`` = d loss / d this."""

    __slots__ = ("_children", "_local_grads", "data", "grad")

    def __init__(self, data, children=(), local_grads=()):
        self.data = data
        self.grad = 0
        self._children = children
        self._local_grads = local_grads  # d this / d child, one per child

    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data + other.data, (self, other), (1, 1))

    def __mul__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, other):
        return Value(self.data**other, (self,), (other * self.data ** (other - 1),))

    def log(self):
        return Value(math.log(self.data), (self,), (1 / self.data,))

    def exp(self):
        return Value(math.exp(self.data), (self,), (math.exp(self.data),))

    def relu(self):
        return Value(max(0, self.data), (self,), (float(self.data > 0),))

    def __neg__(self):
        return self * -1

    def __radd__(self, other):
        return self + other

    def __sub__(self, other):
        return self + (-other)

    def __rsub__(self, other):
        return other + (-self)

    def __rmul__(self, other):
        return self * other

    def __truediv__(self, other):
        return self * other**-1

    def __rtruediv__(self, other):
        return other * self**-1

    def backward(self):
        """Add d self / d node to every node's ``grad``, from self down to the leaves."""
        topo = []
        visited = set()

        def build_topo(v):
            if v not in visited:
                visited.add(v)
                for child in v._children:
                    build_topo(child)
                topo.append(v)

        build_topo(self)
        self.grad = 1
        for v in reversed(topo):
            for child, local_grad in zip(v._children, v._local_grads):
                child.grad += local_grad * v.grad


def dot_node(a, a_data, b, b_data):
    """Σ aᵢ·bᵢ as one node, the sum a left fold: (n,), (n,) → scalar. The data come along to be read out once."""
    # not sum(): from CPython 3.12 on it compensates the rounding of floats, and last bits would differ
    data = deque(accumulate(map(mul, a_data, b_data)), maxlen=1).pop()
    return Value(data, (*a, *b), (*b_data, *a_data))


def linear(x, w):
    x_data = [xi.data for xi in x]
    return [dot_node(wo, [wi.data for wi in wo], x, x_data) for wo in w]


def rmsnorm(x):
    x_data = [xi.data for xi in x]
    ms = dot_node(x, x_data, x, x_data) / len(x)
    scale = (ms + 1e-5) ** -0.5
    return [xi * scale for xi in x]


def attention(q, keys, values, n_head):
    head_dim = len(q) // n_head
    x_attn = []
    for h in range(n_head):
        columns = slice(h * head_dim, (h + 1) * head_dim)
        q_h = q[columns]
        q_data = [qi.data for qi in q_h]
        attn_logits = [
            dot_node(q_h, q_data, k_h, [ki.data for ki in k_h]) / head_dim**0.5 for k_h in [k[columns] for k in keys]
        ]
        attn_weights = softmax(attn_logits)
        weights_data = [weight.data for weight in attn_weights]
        x_attn.extend(
            [dot_node(attn_weights, weights_data, v_j, [vi.data for vi in v_j]) for v_j in list(zip(*values))[columns]]
        )
    return x_attn


ENGINE = Engine(
    name="fused_dot",
    summary="one n-ary node per dot product",
    parent="reference",
    change="one n-ary node per dot product",
    parity=Parity.BIT_IDENTICAL,
    value=Value,
    linear=linear,
    rmsnorm=rmsnorm,
    attention=attention,
)
