"""microgpt.py's graph with C types, in Cython's pure Python mode: the same nodes, sorted and walked in the same order.

The class is an extension type whose numbers are C doubles and whose children, two at the most, are fields. The sort marks a node by the
number of the walk in place of a set. What is left is making nodes, one per arithmetic operation, and calls of the ops from Python.

It is plain Python too, where Cython is installed for its decorators. Measure both with

    microgpt-bench run --engine examples/typed.py --compile cython
"""

import math
from typing import Optional

import cython

from bench.workload.engine import Engine, Parity

WALK = cython.declare(cython.longlong, 0)  # the number of the last backward pass: a node that has it was visited


@cython.cclass
class Value:
    """A number in the graph: ``data``, and after backward ``grad`` = d loss / d this."""

    data = cython.declare(cython.double, visibility="public")
    grad = cython.declare(cython.double, visibility="public")
    first: "Value"
    second: "Value"
    first_grad: cython.double  # d this / d first
    second_grad: cython.double
    walk: cython.longlong

    def __init__(self, data: cython.double):
        self.data = data
        self.grad = 0.0
        self.first = self.second = None
        self.walk = 0

    def __add__(self, other):
        b: Value = other if isinstance(other, Value) else Value(other)
        return node(self.data + b.data, self, 1.0, b, 1.0)

    def __mul__(self, other):
        b: Value = other if isinstance(other, Value) else Value(other)
        return node(self.data * b.data, self, b.data, b, self.data)

    def __pow__(self, other):
        return node(self.data**other, self, other * self.data ** (other - 1), None, 0.0)

    def log(self):
        return node(math.log(self.data), self, 1 / self.data, None, 0.0)

    def exp(self):
        power: cython.double = math.exp(self.data)
        return node(power, self, power, None, 0.0)

    def relu(self):
        open_: cython.bint = self.data > 0
        return node(self.data if open_ else 0.0, self, 1.0 if open_ else 0.0, None, 0.0)

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

    @property
    def _children(self):
        return tuple(child for child in (self.first, self.second) if child is not None)

    def backward(self):
        """Add d self / d node to every node's ``grad``, from self down to the leaves."""
        global WALK
        WALK += 1
        topo: list = []
        sort(self, WALK, topo)
        self.grad = 1.0
        v: Value
        for v in reversed(topo):
            if v.first is not None:
                v.first.grad += v.first_grad * v.grad
            if v.second is not None:
                v.second.grad += v.second_grad * v.grad


@cython.cfunc
def node(
    data: cython.double, first: Value, first_grad: cython.double, second: Optional[Value], second_grad: cython.double
) -> Value:
    """What an operation gives, with its children; no second one where it has one only."""
    made: Value = Value(data)
    made.first, made.first_grad, made.second, made.second_grad = first, first_grad, second, second_grad
    return made


@cython.cfunc
def sort(v: Value, walk: cython.longlong, topo: list):
    """Add a node behind all that it depends on, in the order of the reference's depth-first search."""
    if v.walk == walk:
        return
    v.walk = walk
    if v.first is not None:
        sort(v.first, walk, topo)
    if v.second is not None:
        sort(v.second, walk, topo)
    topo.append(v)


ENGINE = Engine(
    name="typed",
    summary="the reference's graph with C types, for Cython",
    parent="reference",
    change="typed fields in place of tuples, a mark in place of a set",
    parity=Parity.BIT_IDENTICAL,
    value=Value,
)
