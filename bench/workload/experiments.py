"""Experiments on single engines, for the page of claims: how deep a graph can be, and how far apart logits."""

from __future__ import annotations

from typing import Any, Dict, List

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
