"""The reference with floats for its constants: gradients begin with 0.0, and local gradients of a sum are 1.0.

microgpt.py writes them as ints, and an int times a float is a slower operation: from CPython 3.11 on, arithmetic is
specialized where both sides are floats, not for an int and a float. In the chain rule, ``grad += local * grad``, the
first sum of every node is of an int and a float, and so is each product behind an addition. As floats, both take the
fast path, and every number that comes out is the same.

Left as they are: the int 0 that ``sum()`` starts from, once per sum; the weights' gradients, once per step; and exponents,
which no version specializes.
"""

import math

from bench.workload.engine import Engine, Parity


class Value:
    """A number in the graph: ``data``, and after backward ``grad`` = d loss / d this."""

    __slots__ = ("_children", "_local_grads", "data", "grad")

    def __init__(self, data, children=(), local_grads=()):
        self.data = data
        self.grad = 0.0
        self._children = children
        self._local_grads = local_grads  # d this / d child, one per child

    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data + other.data, (self, other), (1.0, 1.0))

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
        return self * -1.0

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
        self.grad = 1.0
        for v in reversed(topo):
            for child, local_grad in zip(v._children, v._local_grads):
                child.grad += local_grad * v.grad


ENGINE = Engine(
    name="float_constants",
    summary="floats for constants",
    parent="reference",
    change="0.0 and 1.0 for the ints of gradients and local gradients",
    parity=Parity.BIT_IDENTICAL,
    value=Value,
)
