"""Experiments for the page of claims: how deep a graph can be, how far apart logits, and which way to sum is fastest."""

from __future__ import annotations

from time import perf_counter_ns
from typing import Any, Callable, Dict, List, Sequence

import engines

DEPTHS = [250 * 2**i for i in range(10)]  # nodes in a chain: up to 128,000
GAPS = [*range(1, 41), *range(50, 700, 50), *range(700, 751), 800, 1000, 10000]


def depth(name: str) -> List[Dict[str, Any]]:
    """A chain of additions of each length, walked backwards with Python's own recursion limit: what went wrong, or ""."""
    engine = engines.load(name)
    answers = []
    for length in DEPTHS:
        assert engine.value is not None
        leaf = engine.value(1.0)
        y = leaf
        for _ in range(length):
            y = y + 1.0
        try:
            engine.backward(y)
            error = "" if leaf.grad == 1 else f"the gradient is {leaf.grad}"
        except (RecursionError, MemoryError) as failure:
            error = type(failure).__name__
        del y
        engine.reset()
        answers.append({"length": length, "error": error})
    return answers


def stability(name: str) -> List[Dict[str, Any]]:
    """The loss and its gradients for the logits (gap, 0, −1), where the target is the first one and where it is the second.

    Numbers as float.hex; where the engine raises, the error's name stands for them.
    """
    engine = engines.load(name)
    answers: List[Dict[str, Any]] = []
    for target in (0, 1):
        for gap in GAPS:
            assert engine.value is not None
            logits = [engine.value(float(x)) for x in (gap, 0, -1)]
            answer: Dict[str, Any] = {"target": target, "gap": gap, "error": "", "loss": "", "gradients": []}
            try:
                loss = engine.cross_entropy(logits, target)
                engine.backward(loss)
                answer["loss"] = float(loss.data).hex()
                answer["gradients"] = [float(logit.grad).hex() for logit in logits]
            except (ArithmeticError, ValueError) as failure:
                answer["error"] = f"{type(failure).__name__}: {failure}"
            engine.reset()
            answers.append(answer)
    return answers


WIDTH, PRODUCTS, REPEATS = 16, 500, 30  # a dot product of the model's own width, so many a time, so often


def _generator(w: Sequence[float], x: Sequence[float]) -> float:
    return sum(wi * xi for wi, xi in zip(w, x))


def _list(w: Sequence[float], x: Sequence[float]) -> float:
    return sum([wi * xi for wi, xi in zip(w, x)])


def _loop(w: Sequence[float], x: Sequence[float]) -> float:
    total = 0.0
    for wi, xi in zip(w, x):
        total += wi * xi
    return total


WAYS: Dict[str, Callable[[Sequence[float], Sequence[float]], float]] = {
    "generator": _generator,
    "list": _list,
    "loop": _loop,
}


def sums(what: str) -> List[Dict[str, int]]:
    """Nanoseconds for dot products of floats, each way in turn, and so in pairs. ``what``: "dot", the only such sum.

    The first of the repeats is left out: an interpreter specializes what it runs often.
    """
    w = [1.0 / (i + 3) for i in range(WIDTH)]
    x = [1.0 / (i + 7) for i in range(WIDTH)]
    answers = []
    for repeat in range(REPEATS + 1):
        answer = {}
        for name in [*WAYS][repeat % 3 :] + [*WAYS][: repeat % 3]:  # each is the first one as often
            product, begin = WAYS[name], perf_counter_ns()
            for _ in range(PRODUCTS):
                product(w, x)
            answer[name] = max(1, perf_counter_ns() - begin)
        if repeat:
            answers.append(answer)
    return answers
