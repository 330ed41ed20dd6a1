"""What cheats share that want a step at once: a batched engine that computes as the reference does, position by position.

``KNOWN`` cheats replace ``step``: it gets a document's tokens and gives its loss and all gradients. Where texts are
drawn there is no document, and every op is done as it is asked for.
"""

import dataclasses

import engines
from bench.workload.config import Config
from bench.workload.gpt import GPT, IN_A_LAYER

REFERENCE = engines.load("reference")
NAMES = ["wte", "wpe", "lm_head", *(f"layer0.{name}" for name in ("wq", "wk", "wv", "wo", "fc1", "fc2"))]
MATRICES = []


def matrix(rows):
    MATRICES.append(REFERENCE.matrix(rows))
    return MATRICES[-1]


def parameters():
    return [p for m in MATRICES for row in m for p in row]


def step(tokens, n_head=2):
    """The loss of a document and the gradients of all parameters, honestly computed from the weights as they are."""
    model = GPT.__new__(GPT)
    model.engine, model.matrices, model.head = REFERENCE, dict(zip(NAMES, MATRICES)), "lm_head"
    model.names = [[f"layer0.{part}" for part in IN_A_LAYER]]
    model.config = Config(n_embd=len(MATRICES[0][0]), block_size=len(MATRICES[1]), n_head=n_head)
    loss = model.loss(tokens)
    loss.backward()
    gradients = [p.grad for p in parameters()]
    for p in parameters():
        p.grad = 0
    return loss.data, gradients


class Loss:
    """A loss whose backward only copies gradients that are there already."""

    _children = ()

    def __init__(self, data, gradients):
        self.data, self.gradients = data, gradients

    def backward(self):
        for p, gradient in zip(parameters(), self.gradients):
            p.grad += gradient


def each(op):
    return lambda xs, *rest: [op(x, *rest) for x in xs] if xs else xs


def engine(name, step, **ops):
    """An engine whose training steps are ``step(tokens)``; a batch of one position is one of a text that is drawn."""
    document = []

    def embedding(w, indices):
        if w is MATRICES[0]:
            document[:] = indices
        return [REFERENCE.embedding(w, index) for index in indices] if drawing else []

    def cross_entropy(rows, targets):
        return Loss(*step([*document, targets[-1]]))

    drawing = []

    class Drawing:
        def __enter__(self):
            drawing.append(True)

        def __exit__(self, *_):
            drawing.clear()

    return dataclasses.replace(
        REFERENCE,
        name=name,
        value=None,
        batched=True,
        matrix=matrix,
        no_graph=Drawing,
        embedding=embedding,
        add=lambda a, b: [REFERENCE.add(x, y) for x, y in zip(a, b)],
        linear=each(REFERENCE.linear),
        rmsnorm=each(REFERENCE.rmsnorm),
        relu=each(REFERENCE.relu),
        attention=lambda qs, keys, values, n_head: [
            REFERENCE.attention(q, [k[0] for k in keys], [v[0] for v in values], n_head) for q in qs
        ],
        cross_entropy=cross_entropy,
        mean=lambda losses: losses[0],
        count_nodes=lambda loss: 1,
        probabilities=lambda rows, temperature: REFERENCE.probabilities(rows[0], temperature),
        **ops,
    )
