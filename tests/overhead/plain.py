"""The reference's algorithm as one plain script, with nothing between the parts: what the trainer's cost is held against.

    python plain.py DOCUMENTS

Does one training step for each line on standard input and answers its loss and its nanoseconds. It knows nothing of
the engine contract, the GPT or the trainer, so it is an independent check of their losses too.
"""

import math
import random
import sys
import time


class Value:
    __slots__ = ("_children", "_local_grads", "data", "grad")

    def __init__(self, data, children=(), local_grads=()):
        self.data = data
        self.grad = 0
        self._children = children
        self._local_grads = local_grads

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

    def __rmul__(self, other):
        return self * other

    def __truediv__(self, other):
        return self * other**-1

    def backward(self):
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


def linear(x, w):
    return [sum(wi * xi for wi, xi in zip(wo, x)) for wo in w]


def softmax(logits):
    max_val = max(val.data for val in logits)
    exps = [(val - max_val).exp() for val in logits]
    total = sum(exps)
    return [e / total for e in exps]


def rmsnorm(x):
    ms = sum(xi * xi for xi in x) / len(x)
    scale = (ms + 1e-5) ** -0.5
    return [xi * scale for xi in x]


def gpt(token, position, keys, values):
    x = [t + p for t, p in zip(wte[token], wpe[position])]
    x = rmsnorm(x)
    residual = x
    x = rmsnorm(x)
    q = linear(x, wq)
    keys.append(linear(x, wk))
    values.append(linear(x, wv))
    x_attn = []
    for h in range(n_head):
        hs = h * head_dim
        q_h = q[hs : hs + head_dim]
        k_h = [k[hs : hs + head_dim] for k in keys]
        v_h = [v[hs : hs + head_dim] for v in values]
        attn_logits = [sum(q_h[j] * k_h[t][j] for j in range(head_dim)) / head_dim**0.5 for t in range(len(k_h))]
        attn_weights = softmax(attn_logits)
        x_attn.extend([sum(attn_weights[t] * v_h[t][j] for t in range(len(v_h))) for j in range(head_dim)])
    x = linear(x_attn, wo)
    x = [a + b for a, b in zip(x, residual)]
    residual = x
    x = rmsnorm(x)
    x = linear(x, fc1)
    x = [xi.relu() for xi in x]
    x = linear(x, fc2)
    x = [a + b for a, b in zip(x, residual)]
    return linear(x, lm_head)


random.seed(42)
docs = [line.strip() for line in open(sys.argv[1], encoding="utf-8").read().strip().split("\n") if line.strip()]
random.shuffle(docs)
uchars = sorted(set("".join(docs)))
BOS = len(uchars)
n_embd, n_head, block_size = 16, 4, 16
head_dim = n_embd // n_head


def matrix(n_out, n_in):
    return [[Value(random.gauss(0, 0.08)) for _ in range(n_in)] for _ in range(n_out)]


wte, wpe, lm_head = matrix(BOS + 1, n_embd), matrix(block_size, n_embd), matrix(BOS + 1, n_embd)
wq, wk, wv, wo = [matrix(n_embd, n_embd) for _ in range(4)]
fc1, fc2 = matrix(4 * n_embd, n_embd), matrix(n_embd, 4 * n_embd)
params = [p for m in (wte, wpe, lm_head, wq, wk, wv, wo, fc1, fc2) for row in m for p in row]
learning_rate, beta1, beta2, eps_adam = 0.01, 0.85, 0.99, 1e-8
m, v = [0.0] * len(params), [0.0] * len(params)


def train(step):
    doc = docs[step % len(docs)]
    tokens = [BOS] + [uchars.index(ch) for ch in doc] + [BOS]
    n = min(block_size, len(tokens) - 1)
    keys, values = [], []
    losses = []
    for position in range(n):
        logits = gpt(tokens[position], position, keys, values)
        probs = softmax(logits)
        losses.append(-probs[tokens[position + 1]].log())
    loss = (1 / n) * sum(losses)
    loss.backward()
    lr_t = learning_rate * (1 - step / 1000)
    for i, p in enumerate(params):
        m[i] = beta1 * m[i] + (1 - beta1) * p.grad
        v[i] = beta2 * v[i] + (1 - beta2) * p.grad**2
        m_hat = m[i] / (1 - beta1 ** (step + 1))
        v_hat = v[i] / (1 - beta2 ** (step + 1))
        p.data -= lr_t * m_hat / (v_hat**0.5 + eps_adam)
        p.grad = 0
    return loss.data


for step, _ in enumerate(sys.stdin):
    started = time.perf_counter_ns()
    loss = train(step)
    print(loss.hex(), time.perf_counter_ns() - started, flush=True)
