"""microgpt.py's own core: the engine that every other is compared with.

One slotted node per arithmetic operation. A node keeps its children and, computed during the forward
pass, its local gradients; backward sorts the graph by a recursive depth-first search and then applies
the chain rule from the loss down.

What to know about its cost: a multiplication makes a node, two tuples and a float; a division makes a
power and a product (``a / b`` is ``a * b**-1``); ``sum()`` starts from the int 0, so each sum makes a
leaf for that zero and a node that adds it. The search recurses as deep as the graph, which for one
layer is well under CPython's limit of 1,000.
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


ENGINE = Engine(
    name="reference",
    summary="microgpt.py: slotted nodes, recursive sort, a * b**-1, softmax then log",
    parent=None,
    change="",
    parity=Parity.BIT_IDENTICAL,
    value=Value,
)
