"""Adam as microgpt.py writes it, over parameters that are ``Value`` leaves."""

from __future__ import annotations

from array import array
from typing import Any, Optional, Sequence, Tuple

Numbers = Sequence[float]  # of every parameter, matrix after matrix, row by row
State = Tuple[Numbers, Numbers, Numbers]


class Adam:
    """Adam (Kingma and Ba 2015, algorithm 1) over every Value of ``matrices``, in their order.

    The order of operations is microgpt.py's, so that parameters agree to the last bit. ``update`` also
    sets the gradients back to 0, as microgpt.py does.
    """

    def __init__(self, matrices: Sequence[Any], beta1: float, beta2: float, eps: float) -> None:
        self.parameters = [p for matrix in matrices for row in matrix for p in row]
        self.beta1, self.beta2, self.eps = beta1, beta2, eps
        self.m = [0.0] * len(self.parameters)
        self.v = [0.0] * len(self.parameters)

    def update(
        self,
        t: int,
        learning_rate: float,
        corrections: Optional[Tuple[float, float]] = None,
        shrink: float = 1.0,
        decay: float = 1.0,
    ) -> None:
        """One update with the gradients gathered in ``grad``; ``t`` counts from 1.

        With training options on, the trainer gives all five: ``corrections`` 1 − β₁ᵗ and 1 − β₂ᵗ (None: to be worked
        out here), a factor ``shrink`` that gradients are multiplied by first, and ``decay``, the same for weights.
        """
        beta1, beta2, eps, m, v = self.beta1, self.beta2, self.eps, self.m, self.v
        if shrink != 1.0 or decay != 1.0:
            for p in self.parameters:
                p.grad *= shrink
                p.data *= decay
        if corrections is not None:
            correction1, correction2 = corrections
            for i, p in enumerate(self.parameters):
                m[i] = beta1 * m[i] + (1 - beta1) * p.grad
                v[i] = beta2 * v[i] + (1 - beta2) * p.grad**2
                p.data -= learning_rate * (m[i] / correction1) / ((v[i] / correction2) ** 0.5 + eps)
                p.grad = 0
            return
        for i, p in enumerate(self.parameters):
            m[i] = beta1 * m[i] + (1 - beta1) * p.grad
            v[i] = beta2 * v[i] + (1 - beta2) * p.grad**2
            m_hat = m[i] / (1 - beta1**t)
            v_hat = v[i] / (1 - beta2**t)
            p.data -= learning_rate * m_hat / (v_hat**0.5 + eps)
            p.grad = 0

    def state(self) -> State:
        """Weights, first and second moments as arrays of floats, matrix after matrix: what ``load`` takes."""
        return array("d", [p.data for p in self.parameters]), array("d", self.m), array("d", self.v)

    def load(self, weights: Numbers, m: Numbers, v: Numbers, t: int) -> None:
        """Take over the state after ``t`` updates; gradients are zero.

        Each number is a float of its own, made where an update makes it. So floats stay where updates have put them in
        memory, which decides how fast the next step is (docs/where_weights_lie.md).
        """
        for i, p in enumerate(self.parameters):
            self.m[i] = m[i]
            self.v[i] = v[i]
            p.data = weights[i]
            p.grad = 0

    def snapshot(self) -> State:
        """Everything an update changes. Not the floats themselves: held, they would keep their places from the next update."""
        return self.state()

    def restore(self, snapshot: State) -> None:
        """Go back to a snapshot, gradients zero."""
        self.load(*snapshot, 0)
