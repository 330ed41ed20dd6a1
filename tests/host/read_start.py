"""How a program reads a start file: docs/peers.md says the same in ten lines."""

from bench.workload.model_file import SavedModel
from bench.workload.trainer import Trainer


def from_start(path, documents, config):
    """A trainer that begins with the weights and the documents of a start file."""
    with open(path, encoding="utf-8") as file:
        lines = iter(file.read().split("\n"))
    assert next(lines) == "microgpt-bench start 1"
    sizes = dict(next(lines).split() for _ in range(4))
    assert int(sizes["n_embd"]) == config.n_embd and int(sizes["n_head"]) == config.n_head
    characters = next(lines).split(" ", 1)[1]
    order = [next(lines) for _ in range(int(next(lines).split()[1]))]
    weights = {}
    while header := next(lines):
        name, rows, columns = header.split()
        weights[name] = [[float(x) for x in next(lines).split()] for _ in range(int(rows))]
        assert all(len(row) == int(columns) for row in weights[name])
    trainer = Trainer("vector", documents, config, SavedModel(config, characters, weights, "vector", 0))
    trainer.documents = order
    return trainer
