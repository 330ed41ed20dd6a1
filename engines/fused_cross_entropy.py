"""The reference with softmax, logarithm and look-up of the loss fused into one node.

With Σ over the vocabulary, −log softmax(x)[t] = log Σ exp(x) − x[t], whose gradient is softmax(x) − onehot(t)
(Bishop 2006, section 4.3.4). One node a position in place of a softmax over the whole vocabulary, and no
logarithm of a probability that may have underflowed to 0. The sum is the reference's left fold, but the
gradient takes another route, so last bits differ.
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


def cross_entropy(logits, target):
    """log Σ exp(logits) − logits[target] as one node; d / d logit i is softmax(logits)[i] − [i = target]."""
    max_val = max(val.data for val in logits)
    exps = [math.exp(val.data - max_val) for val in logits]
    total = 0.0
    for e in exps:
        total += e
    local_grads = [e / total for e in exps]
    local_grads[target] -= 1
    return Value(math.log(total) + max_val - logits[target].data, tuple(logits), tuple(local_grads))


ENGINE = Engine(
    name="fused_cross_entropy",
    summary="softmax, log and look-up of the loss in one node",
    parent="reference",
    change="cross-entropy is one node",
    parity=Parity.ROUNDING,
    value=Value,
    cross_entropy=cross_entropy,
)
