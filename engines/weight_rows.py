"""Weights (n_out, n_in) kept as rows of floats, and as lines of sixteen for Adam: those of `vector_exact` and `vector`."""

from itertools import chain
from math import isfinite

from engines.unrolled_products import in_rows


class Matrix:
    """Weights (n_out, n_in) as rows, and their gradient, one flat list or None while it is zero."""

    __slots__ = ("_finite", "grad", "rows", "share")

    def __init__(self, rows):
        rows = [tuple(map(float, row)) for row in rows]
        if not rows or not rows[0] or len(set(map(len, rows))) != 1:
            raise ValueError(f"a matrix has rows of numbers, all of one length: got the lengths {[*map(len, rows)]}")
        self.place(rows)

    def place(self, rows):
        self.rows, self.grad, self._finite = rows, None, None
        self.share = None  # where a linear alone gave the gradient: its inputs and its output's gradient

    @property
    def finite(self):
        """Whether 0 times any row is 0; where not, no factor 0 may be passed over."""
        if self._finite is None:
            self._finite = isfinite(sum(map(sum, self.rows)))
        return self._finite

    @property
    def flat_grad(self):
        return self.grad or [0.0] * (len(self.rows) * len(self.rows[0]))

    def gather(self, grad):
        self.grad = [a + b for a, b in zip(self.grad, grad)] if self.grad else grad


def read_values(w):
    """The contract's op."""
    return [list(row) for row in w.rows]


def read_gradients(w):
    """The contract's op."""
    return in_rows(w.flat_grad, len(w.rows[0]))


def in_lines(numbers):
    """Numbers in tuples of sixteen; fewer than sixteen at the end are left out."""
    return list(zip(*[iter(numbers)] * 16))


class LinesOfSixteen:
    """All weights, whatever rows they are of, with their moments: what Adam goes over. ``update`` is the engine's own."""

    def __init__(self, matrices, beta1, beta2, eps):
        self.matrices = list(matrices)
        self.beta1, self.beta2, self.eps = beta1, beta2, eps
        numbers = [x for w in self.matrices for row in w.rows for x in row]
        self.fill = [1.0] * (-len(numbers) % 16)  # weights and gradients of nothing; not 0, which may divide by 0
        self.data = in_lines(numbers + self.fill)
        self.m = self.v = [(0.0,) * 16] * len(self.data)

    def gradients(self, shrink):
        """All gradients, in lines."""
        grads = in_lines(chain(*[w.flat_grad for w in self.matrices], self.fill))
        return grads if shrink == 1.0 else [tuple([g * shrink for g in line]) for line in grads]

    def decay(self, factor):
        """Multiply all weights."""
        if factor != 1.0:
            self.data = [tuple([x * factor for x in line]) for line in self.data]

    def place(self):
        """Give the matrices their rows."""
        start = 0
        for w in self.matrices:
            n_out, n_in = len(w.rows), len(w.rows[0])
            stop = start + n_out * n_in
            rows = self.data[start // 16 : -(-stop // 16)]
            if n_in != 16 or start % 16:
                numbers = list(chain.from_iterable(rows))[start % 16 :]
                rows = list(zip(*[iter(numbers[: stop - start])] * n_in))
            w.place(rows)
            start = stop

    def load(self, weights, m, v, t):
        self.data, self.m, self.v = (in_lines([*numbers, *self.fill]) for numbers in (weights, m, v))
        self.place()

    def snapshot(self):
        return self.data, self.m, self.v  # an update makes new lists, so these stay

    def restore(self, snapshot):
        self.data, self.m, self.v = snapshot
        self.place()
