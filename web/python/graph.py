"""The autograd graph of a short document, to be explored node by node."""

from __future__ import annotations

import math
from typing import Any, Dict, List

import engines
from bench import WorkloadError
from bench.workload.gpt import GPT
from bench.workload.trainer import Trainer

LONGEST = 2  # characters: some 20,000 nodes


class Graph:
    """The nodes of one loss after its backward pass, numbered from the loss, 0, on."""

    def __init__(self, trainer: Trainer, engine_name: str, document: str) -> None:
        if not 1 <= len(document) <= LONGEST:
            raise WorkloadError(f"the document {document[:20]!r} has {len(document)} characters: give one or two")
        engine = engines.load(engine_name)
        self.model = GPT(engine, trainer.config, trainer.weights())
        self.loss = self.model.loss(trainer.vocabulary.encode(document))
        if not hasattr(self.loss, "_children"):
            raise WorkloadError(f"{engine_name} keeps no graph of scalar nodes: choose the reference or fused_dot")
        engine.backward(self.loss)
        self.names = {
            id(p): f"{name}[{i}][{j}]"
            for name, matrix in self.model.matrices.items()
            for i, row in enumerate(matrix)
            for j, p in enumerate(row)
        }
        self.nodes: List[Any] = []
        self.numbers: Dict[int, int] = {}
        self._number(self.loss)
        self.count = engine.count_nodes(self.loss)

    def _number(self, node: Any) -> int:
        if id(node) not in self.numbers:
            self.numbers[id(node)] = len(self.nodes)
            self.nodes.append(node)
        return self.numbers[id(node)]

    def about(self) -> Dict[str, Any]:
        """The loss, and how many nodes lie below it."""
        return {"count": self.count, **self.node(0)}

    def node(self, number: int) -> Dict[str, Any]:
        """Its operation, value and gradient, and the same of each child, with d node / d child on the way."""
        if not 0 <= number < len(self.nodes):
            raise WorkloadError(f"no node {number}")
        node = self.nodes[number]
        children = [
            {**self._describe(child), "local": float(local)} for child, local in zip(node._children, node._local_grads)
        ]
        return {"node": self._describe(node), "children": children}

    def _describe(self, node: Any) -> Dict[str, Any]:
        return {
            "id": self._number(node),
            "operation": self.names.get(id(node)) or operation(node),
            "data": float(node.data),
            "grad": float(node.grad),
            "leaf": not node._children,
            "parameter": id(node) in self.names,
        }


def operation(node: Any) -> str:
    """What a node did, told from its children and the derivatives along them."""
    children, local = node._children, node._local_grads
    if not children:
        return "constant"
    if len(children) == 1:
        x, d = children[0].data, local[0]
        if node.data == d and x != 1:
            return "exp"
        if d in (0.0, 1.0) and node.data == max(0, x):
            return "relu"
        if x > 0 and d == 1 / x and node.data == math.log(x):
            return "log"
        return "power"
    if len(children) == 2 and tuple(local) == (1, 1):
        return "+"
    if len(children) == 2 and local[0] == children[1].data and local[1] == children[0].data:
        return "×"
    return f"dot of {len(children) // 2}" if len(children) % 2 == 0 else f"sum of {len(children)}"
