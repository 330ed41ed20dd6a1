"""What workers are asked once a run, after the first round's steps: to draw samples, and to count graph nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.host.results.records import NODES_STEPS, Cell
from bench.workload.generation import COMPARED

if TYPE_CHECKING:
    from bench.host.measure.round import Round


def draw_samples(current: Round, samples: int) -> None:
    """So many texts a cell, timed, one cell after the other; their probabilities are compared.

    The reference first, where it is not known yet: at each place of its samples the others say their probabilities.
    """
    rows = current.checks.references()
    cells = list(current.shuffled(current.alive()))
    for cell in sorted(cells, key=lambda cell: bool(current.reference_cells) or cell[0] not in rows):
        reference = current.checks.reference(cell)
        known = reference is not None and "samples" in reference.drawn and cell[0] not in rows
        told = {"along": reference.drawn["samples"][:COMPARED]} if reference is not None and known else {}
        if answer := current.ask(cell, ["samples", "ns"], do="generate", samples=samples, **told):
            current.states[cell].drawn = answer
    current.checks.check_samples()


def count_nodes(current: Round) -> None:
    """Once per engine: the graph is the same on every runtime. One that takes too long has its times all the same."""
    numbers = current.plan.settings.numbers[:NODES_STEPS]
    # workers of older revisions know the second way
    spread = {"at": numbers} if current.plan.trajectory else {"steps": len(numbers)}

    def count(cell: Cell) -> None:
        if answer := current.ask(cell, ["nodes"], optional=True, do="nodes", **spread):
            current.states[cell].nodes = answer["nodes"]

    first = {cell[0]: cell for cell in reversed(current.alive())}
    current.side_by_side(count, list(first.values()))
