"""The reference with a tape: nodes are written down as they are made, and backward reads them from the end.

A node is always made after its children, so the order of creation is already a topological order: no
search, no set of visited nodes, no recursion. What it costs: one append per node, and nodes that the
loss does not depend on are walked over too (here there are none). Gradients of a node with several
consumers add up in the order of creation, not of the depth-first search, so last bits differ.
"""

import math
from functools import partial

from bench.workload.engine import Engine, Parity, without_tape

TAPE = []  # every node that an operation made, oldest first; leaves are not on it


class Value:
    """A number in the graph: ``data``, and after backward ``grad`` = d loss / d this."""

    __slots__ = ("_children", "_local_grads", "data", "grad")

    def __init__(self, data, children=(), local_grads=()):
        self.data = data
        self.grad = 0
        self._children = children
        self._local_grads = local_grads  # d this / d child, one per child
        if children:
            TAPE.append(self)

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
        """Add d self / d node to every node's ``grad``, from self down to the leaves; once between two resets."""
        self.grad = 1
        for v in reversed(TAPE):
            for child, local_grad in zip(v._children, v._local_grads):
                child.grad += local_grad * v.grad


ENGINE = Engine(
    name="tape",
    summary="creation order is the sort",
    parent="reference",
    change="creation order instead of a sort",
    parity=Parity.ROUNDING,
    value=Value,
    reset=TAPE.clear,
    no_graph=partial(without_tape, globals()),
)
