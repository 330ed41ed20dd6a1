"""Adam as microgpt.py writes it, over parameters that are ``Value`` leaves."""

from __future__ import annotations

from typing import Any, List, Sequence, Tuple

Snapshot = Tuple[List[float], List[float], List[float]]


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

    def update(self, t: int, learning_rate: float) -> None:
        """One update with the gradients gathered in ``grad``; ``t`` counts from 1."""
        beta1, beta2, eps, m, v = self.beta1, self.beta2, self.eps, self.m, self.v
        for i, p in enumerate(self.parameters):
            m[i] = beta1 * m[i] + (1 - beta1) * p.grad
            v[i] = beta2 * v[i] + (1 - beta2) * p.grad**2
            m_hat = m[i] / (1 - beta1**t)
            v_hat = v[i] / (1 - beta2**t)
            p.data -= learning_rate * m_hat / (v_hat**0.5 + eps)
            p.grad = 0

    def snapshot(self) -> Snapshot:
        """Everything an update changes, as plain copies: parameters, first and second moments."""
        return [p.data for p in self.parameters], self.m[:], self.v[:]

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to a snapshot, gradients zero."""
        data, m, v = snapshot
        self.m[:], self.v[:] = m, v
        for p, x in zip(self.parameters, data):
            p.data = x
            p.grad = 0
