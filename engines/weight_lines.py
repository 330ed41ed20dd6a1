"""Weights (n_out, n_in) kept as lines of floats, rows or columns: those of `compiled` and `compiled_unordered`."""

from itertools import chain, islice
from math import isfinite

from engines.written_products import add_rows


class Matrix:
    """Weights (n_out, n_in) as lines: rows, or columns where these are shorter, as behind a relu.

    ``grad`` is a list of the lines' gradients, in which None is a line of zeros; None while all are zero.
    """

    __slots__ = ("_finite", "_rows", "by_column", "grad", "lines", "shape", "share")

    def __init__(self, rows):
        rows = [tuple(map(float, row)) for row in rows]
        if not rows or not rows[0] or len(set(map(len, rows))) != 1:
            raise ValueError(f"a matrix has rows of numbers, all of one length: got the lengths {[*map(len, rows)]}")
        self.shape = len(rows), len(rows[0])
        self.by_column = len(rows[0]) > len(rows)
        self.place(list(zip(*rows)) if self.by_column else rows)

    def place(self, lines):
        self.lines, self._rows, self._finite, self.grad = lines, None, None, None
        self.share = None  # where a linear alone gave the gradient: its inputs and its output's gradient

    @property
    def rows(self):
        if self._rows is None:
            self._rows = list(zip(*self.lines)) if self.by_column else self.lines
        return self._rows

    @property
    def finite(self):
        """Whether 0 times any line is 0; where not, no factor 0 may be passed over."""
        if self._finite is None:
            self._finite = isfinite(sum(map(sum, self.lines)))
        return self._finite

    def gather(self, grad):
        """Add the lines' gradients."""
        if self.grad is not None:
            grad = [b if a is None else a if b is None else add_rows([a], [b])[0] for a, b in zip(self.grad, grad)]
        self.grad = grad


def to_lines(w, numbers):
    """Lines as the matrix's own of the next numbers of an iterator, which come row by row."""
    n_out, n_in = w.shape
    rows = [tuple(islice(numbers, n_in)) for _ in range(n_out)]
    return list(zip(*rows)) if w.by_column else rows


def from_lines(w, lines):
    """The numbers of such lines, row by row."""
    return chain.from_iterable(zip(*lines) if w.by_column else lines)


def read_values(w):
    """The contract's op."""
    return [list(row) for row in w.rows]


def read_gradients(w):
    """The contract's op."""
    zero = (0.0,) * len(w.lines[0])
    lines = [line or zero for line in w.grad or [None] * len(w.lines)]
    return [list(row) for row in (zip(*lines) if w.by_column else lines)]
