"""The reference with sums that start from their first term.

``sum(terms)`` adds the first term to the int 0, which costs a leaf for the zero and a node for the
addition, once per sum: one node in twenty here (nodes, in the tables of ``run``). Adding 0 changes no bit, and the sort meets the rest in
the same order, so every bit stays. Every op with a sum in it is spelled here, otherwise as the default.
"""

import math

from bench.workload.engine import Engine, Parity


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


def total(terms):
    """The terms' sum, left to right from the first: ``sum(terms)`` would start from the int 0 and make a node of it."""
    return sum(terms[1:], terms[0])


def linear(x, w):
    return [total([wi * xi for wi, xi in zip(wo, x)]) for wo in w]


def rmsnorm(x):
    ms = total([xi * xi for xi in x]) / len(x)
    scale = (ms + 1e-5) ** -0.5
    return [xi * scale for xi in x]


def softmax(logits):
    max_val = max(val.data for val in logits)
    exps = [(val - max_val).exp() for val in logits]
    exps_total = total(exps)
    return [e / exps_total for e in exps]


def attention(q, keys, values, n_head):
    head_dim = len(q) // n_head
    x_attn = []
    for h in range(n_head):
        hs = h * head_dim
        q_h = q[hs : hs + head_dim]
        k_h = [ki[hs : hs + head_dim] for ki in keys]
        v_h = [vi[hs : hs + head_dim] for vi in values]
        attn_logits = [total([q_h[j] * k_h[t][j] for j in range(head_dim)]) / head_dim**0.5 for t in range(len(k_h))]
        attn_weights = softmax(attn_logits)
        x_attn.extend([total([attn_weights[t] * v_h[t][j] for t in range(len(v_h))]) for j in range(head_dim)])
    return x_attn


def mean(losses):
    return (1 / len(losses)) * total(losses)


ENGINE = Engine(
    name="no_phantom_zero",
    summary="sums start from their first term",
    parent="reference",
    change="sums start from their first term",
    parity=Parity.BIT_IDENTICAL,
    value=Value,
    linear=linear,
    rmsnorm=rmsnorm,
    softmax=softmax,
    attention=attention,
    mean=mean,
)
