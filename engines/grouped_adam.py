"""The reference with Adam's update in passes: all first moments, then all second ones, then all weights.

A float is an object of its own, and an update replaces every one of them. The reference sets a gradient to 0 right after
it has stored the weight: what frees the gradient's place, somewhere amid the step's graph, and there CPython puts the
next number that it makes. So weights and moments move into the graph's memory, farther apart with each step. It is not
only that they are read from many more places: the pools of memory in which one of them stays behind never become empty,
so the next graph fills the holes between them, here and there, in place of whole pools from one end to the other.

In passes each kind of number is made before anything else is freed, and lies together, outside the graph. Everything else
is the same, number by number and bit by bit. docs/where_weights_lie.md has the addresses and the cache misses.

Nothing to gain in the first steps, nor where weights and gradients are not floats by themselves: rows in tuples, arrays.
"""

from bench.workload import adam
from engines.reference import ENGINE as REFERENCE


class Adam(adam.Adam):
    """Adam as the contract's, one kind of number after the other."""

    def update(self, t, learning_rate, corrections=None, shrink=1.0, decay=1.0):
        beta1, beta2, eps, parameters = self.beta1, self.beta2, self.eps, self.parameters
        if shrink != 1.0 or decay != 1.0:
            for p in parameters:
                p.grad *= shrink
                p.data *= decay
        correction1, correction2 = corrections or (1 - beta1**t, 1 - beta2**t)
        self.m = [beta1 * m + (1 - beta1) * p.grad for m, p in zip(self.m, parameters)]
        self.v = [beta2 * v + (1 - beta2) * p.grad**2 for v, p in zip(self.v, parameters)]
        data = [
            p.data - learning_rate * (m / correction1) / ((v / correction2) ** 0.5 + eps)
            for p, m, v in zip(parameters, self.m, self.v)
        ]
        for p, x in zip(parameters, data):
            p.data = x
            p.grad = 0

    def load(self, weights, m, v, t):
        self.m, self.v = list(m), list(v)
        for p, x in zip(self.parameters, list(weights)):
            p.data = x
            p.grad = 0


ENGINE = REFERENCE.variant("grouped_adam", "Adam's update in passes, one kind of number at a time", optimizer=Adam)
