"""micrograd's way: each operation leaves behind a ``_backward`` closure instead of stored local gradients.

The chain rule is written where the operation is, and nothing is computed that backward would not use.
The price: a function object and its cells per node, a call per node, and a reference cycle (the node holds
its closure, the closure holds the node), so that only the cyclic garbage collector can free a graph. The
products are the reference's own, in its order: every bit stays.
"""

import math

from bench.workload.engine import Engine, Parity


class Value:
    """A number in the graph: ``data``, and after backward ``grad`` = d loss / d this."""

    __slots__ = ("_backward", "_children", "data", "grad")

    def __init__(self, data, children=()):
        self.data = data
        self.grad = 0
        self._children = children
        self._backward = None  # adds this node's share to its children's grad; leaves have none

    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data + other.data, (self, other))

        def _backward():
            self.grad += out.grad
            other.grad += out.grad

        out._backward = _backward
        return out

    def __mul__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data * other.data, (self, other))

        def _backward():
            self.grad += other.data * out.grad
            other.grad += self.data * out.grad

        out._backward = _backward
        return out

    def __pow__(self, other):
        out = Value(self.data**other, (self,))

        def _backward():
            self.grad += other * self.data ** (other - 1) * out.grad

        out._backward = _backward
        return out

    def log(self):
        out = Value(math.log(self.data), (self,))

        def _backward():
            self.grad += 1 / self.data * out.grad

        out._backward = _backward
        return out

    def exp(self):
        out = Value(math.exp(self.data), (self,))

        def _backward():
            self.grad += out.data * out.grad

        out._backward = _backward
        return out

    def relu(self):
        out = Value(max(0, self.data), (self,))

        def _backward():
            self.grad += (out.data > 0) * out.grad

        out._backward = _backward
        return out

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
            if v._backward:
                v._backward()


ENGINE = Engine(
    name="closures",
    summary="micrograd: a closure per node instead of local gradients",
    parent="reference",
    change="_backward closures instead of stored local gradients",
    parity=Parity.BIT_IDENTICAL,
    value=Value,
)
