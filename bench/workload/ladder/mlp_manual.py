"""A perceptron with one hidden layer, its gradients derived by hand (after Bengio et al. 2003).

The last three tokens are looked up as vectors; what each of the three places says is added up in one hidden layer:

    h = relu(Σ_j W_j · E[t_j])        logits = U · h        loss = −log softmax(logits)[target]

Going backwards, with p = softmax(logits):

    dlogits = p − onehot(target)      dU = dlogits ⊗ h      dh = Uᵀ · dlogits, 0 where the relu was
    dW_j = dh ⊗ E[t_j]                dE[t_j] = W_jᵀ · dh

It is the same model as `mlp`, which leaves these lines to an engine. Compare the two: that is what an autograd is for.
"""

from __future__ import annotations

import math
from typing import Any, Dict, List, Tuple

from bench.workload.ladder.ladder_model import SGD_RATE, LadderModel

CONTEXT = 3
Rows = List[List[float]]


def context(tokens: List[int], position: int, bos: int) -> List[int]:
    """The last CONTEXT tokens up to ``position``, filled up with BOS in front."""
    return ([bos] * (CONTEXT - 1) + tokens)[position : position + CONTEXT]


def mlp_shapes(vocab_size: int, n_embd: int) -> Dict[str, Tuple[int, int]]:
    """Embedding E, W_0 to W_2 with 4 · n_embd hidden numbers, and U."""
    hidden = 4 * n_embd
    return {
        "E": (vocab_size, n_embd),
        **{f"W{j}": (hidden, n_embd) for j in range(CONTEXT)},
        "U": (vocab_size, hidden),
    }


class ManualMLP(LadderModel):
    """Forward and backward written out over lists of floats; Adam or SGD too."""

    def shapes(self) -> Dict[str, Tuple[int, int]]:
        """As the model above says."""
        return mlp_shapes(len(self.vocabulary), self.config.n_embd)

    def build(self, engine: Any, weights: Dict[str, Rows], optimizer: str) -> None:
        """Plain lists, and no engine."""
        self.w, self.sgd = weights, optimizer == "sgd"
        self.m, self.v = self._zeros(), self._zeros()

    def _zeros(self) -> Dict[str, Rows]:
        return {name: [[0.0] * len(rows[0]) for _ in rows] for name, rows in self.w.items()}

    def forward(self, near: List[int]) -> Tuple[List[float], List[float]]:
        """Hidden numbers and logits after the tokens ``near``."""
        w = self.w
        vectors = [w["E"][token] for token in near]
        h = [
            max(0.0, sum(dot(w[f"W{j}"][o], vector) for j, vector in enumerate(vectors)))
            for o in range(4 * self.config.n_embd)
        ]
        return h, [dot(row, h) for row in w["U"]]

    def gradients(self, tokens: List[int]) -> Tuple[float, Dict[str, Rows]]:
        """The document's mean loss, and its gradient for every matrix."""
        w, grad, total = self.w, self._zeros(), 0.0
        n = min(self.config.block_size, len(tokens) - 1)
        for position in range(n):
            near, target = context(tokens, position, self.vocabulary.bos), tokens[position + 1]
            h, logits = self.forward(near)
            p = softmax(logits)
            total -= math.log(p[target])
            d_logits = [(pi - (i == target)) / n for i, pi in enumerate(p)]
            for i, d in enumerate(d_logits):
                accumulate(grad["U"][i], d, h)
            d_h = [dot(d_logits, [row[o] for row in w["U"]]) if h[o] > 0 else 0.0 for o in range(len(h))]
            for j, token in enumerate(near):
                for o, d in enumerate(d_h):
                    accumulate(grad[f"W{j}"][o], d, w["E"][token])
                    accumulate(grad["E"][token], d, w[f"W{j}"][o])
        return total / n, grad

    def train(self, tokens: List[int], learning_rate: float) -> float:
        """One update, by Adam as microgpt.py writes it or along the plain gradient."""
        loss, grad = self.gradients(tokens)
        config, t = self.config, self.steps_done
        for name, rows in self.w.items():
            for row, m, v, g in zip(rows, self.m[name], self.v[name], grad[name]):
                for i, gi in enumerate(g):
                    if self.sgd:
                        row[i] -= SGD_RATE * learning_rate * gi
                        continue
                    m[i] = config.beta1 * m[i] + (1 - config.beta1) * gi
                    v[i] = config.beta2 * v[i] + (1 - config.beta2) * gi**2
                    m_hat, v_hat = m[i] / (1 - config.beta1**t), v[i] / (1 - config.beta2**t)
                    row[i] -= learning_rate * m_hat / (v_hat**0.5 + config.eps)
        return loss

    def probabilities(self, tokens: List[int], temperature: float) -> List[float]:
        """By the last CONTEXT tokens."""
        near = context(tokens, len(tokens) - 1, self.vocabulary.bos)
        return softmax([logit / temperature for logit in self.forward(near)[1]])

    def weights(self) -> Dict[str, Rows]:
        """The parameters by name."""
        return {name: [row[:] for row in rows] for name, rows in self.w.items()}


def dot(a: List[float], b: List[float]) -> float:
    """Σ aᵢ·bᵢ."""
    return sum(x * y for x, y in zip(a, b))


def accumulate(into: List[float], factor: float, vector: List[float]) -> None:
    """into += factor · vector."""
    for i, x in enumerate(vector):
        into[i] += factor * x


def softmax(logits: List[float]) -> List[float]:
    """exp(x − max x) / Σ exp(x − max x)."""
    top = max(logits)
    exps = [math.exp(x - top) for x in logits]
    return [e / sum(exps) for e in exps]
