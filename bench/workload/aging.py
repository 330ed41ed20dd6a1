"""A young process's memory, made as it is after hundreds of training steps.

In a training run of an engine that keeps a float for each number, two things come about within a hundred steps
(docs/where_weights_lie.md). Weights and moments move into the memory of the step's graph, until each pool of floats holds
some: such a pool never becomes empty. And pools of the graph's other objects keep the order in which their blocks were
freed, by which the next graph's are allocated: from graph to graph that order becomes more random. Both make the steps
slower, most of all the reference's.

Here both are done at once: as many blocks of each size as the graph of a document of median length has are allocated, the
numbers are put in the places of some of the floats among them, drawn at random, and the others are freed in random order. No
number changes. What an engine's own updates would undo, the untimed steps that follow do undo: one that replaces all its
numbers at a time has them together again after four of them.

Engines that keep whole rows of numbers do not age, and stay as they are. CPython only: other runtimes move objects.
"""

from __future__ import annotations

import gc
import random
import sys
from collections import Counter
from itertools import chain, repeat
from operator import itemgetter
from typing import Any, Dict, List, Tuple

from bench.workload.trainer import Trainer

SMALL = 512  # bytes, up to which CPython's own allocator has blocks, in pools of one size
GRAIN = 16  # bytes, by which the sizes of blocks grow
FLOAT = 32  # bytes of the block of a float
PARTS = 128  # in which blocks are allocated: few pools of each size at a time, so that they lie mixed
STRIDE = 127  # blocks from one that is freed to the next: far more than are in a cache line, fewer than in a pool


def age(trainer: Trainer, seed: int = 0) -> None:
    """Put the numbers of a trainer that has trained nothing yet where a long training run would have put them.

    Raises ValueError where it has: moments are then not known, whatever the engine.
    """
    if trainer.steps_done:
        raise ValueError(f"the trainer has trained {trainer.steps_done} steps: age it before the first")
    keeps = trainer.engine.value is not None and hasattr(trainer.optimizer, "load")  # others replace whole rows
    if not (keeps and hasattr(sys, "getallocatedblocks")):
        return
    draw, collects = random.Random(seed), gc.isenabled()
    gc.disable()  # the graph is to be seen whole, and freed as a whole
    try:
        blocks = _blocks_of_graph(trainer)
        weights = list(chain.from_iterable(chain.from_iterable(trainer.weights().values())))
        blocks[FLOAT] = max(blocks[FLOAT], 3 * len(weights))
        objects, floats = _allocate(blocks)
        trainer.load(0, *_scatter(weights, objects, draw.sample(floats, 3 * len(weights))))
        _free_in_random_order(objects, draw)
    finally:
        if collects:
            gc.enable()


def _blocks_of_graph(trainer: Trainer) -> Dict[int, int]:
    """How many blocks of which size the graph and the gradients of a document of median length take. Trains nothing."""
    engine, before = trainer.engine, trainer.snapshot()
    gc.collect()
    objects, allocated = Counter(map(sys.getsizeof, gc.get_objects())), sys.getallocatedblocks()
    by_length = sorted(trainer.documents, key=len)
    loss = trainer.model.loss(trainer.vocabulary.encode(by_length[len(by_length) // 2]))
    engine.backward(loss)
    allocated = sys.getallocatedblocks() - allocated
    objects = Counter(map(sys.getsizeof, gc.get_objects())) - objects
    del loss
    engine.reset()
    trainer.restore(before)
    gc.collect()  # cycles too, as of a function that calls itself
    blocks: Dict[int, int] = {}
    for size, count in objects.items():
        if size <= SMALL:
            size = (size + GRAIN - 1) // GRAIN * GRAIN
            blocks[size] = blocks.get(size, 0) + count
    # the collector knows no floats: what it does not know is taken for one
    blocks[FLOAT] = blocks.get(FLOAT, 0) + max(0, allocated - sum(blocks.values()))
    return blocks


def _allocate(blocks: Dict[int, int]) -> Tuple[List[Any], List[int]]:
    """So many objects of each of these sizes, mixed as in a graph; and which of them are floats."""
    made: List[Any] = []
    floats: List[int] = []
    header = sys.getsizeof(b"")
    for part in range(PARTS):
        for size, count in blocks.items():
            wanted = count * (part + 1) // PARTS - count * part // PARTS
            if size == FLOAT:
                floats.extend(range(len(made), len(made) + wanted))
                made.extend(map(float, range(wanted)))
            elif size > header + 1:  # shorter ones are shared
                made.extend(map(bytes, repeat(size - header, wanted)))
    return made, floats


def _scatter(weights: List[float], objects: List[Any], places: List[int]) -> List[List[float]]:
    """The same weights, and moments of 0, each in the place of one of these objects, three for each weight."""
    zeros, free = [0.0] * len(weights), iter(places)
    moved: List[List[float]] = [[], [], []]
    for numbers in zip(weights, zeros, zeros):
        for number, to in zip(numbers, moved):
            objects[next(free)] = None  # the next float is made in the place that was freed last
            to.append(number * 1.0)
    return moved


def _free_in_random_order(objects: List[Any], draw: random.Random) -> None:
    """Empty the list: blocks that lie far apart one after the other, pools in random order, always the same one."""
    length = len(objects) // STRIDE
    if length < 2:
        draw.shuffle(objects)
        objects.clear()
        return
    pick = itemgetter(*draw.sample(range(length), length))
    rows = [pick(objects[start::STRIDE]) for start in draw.sample(range(STRIDE), STRIDE)]
    objects.clear()
    while rows:
        rows.pop()
