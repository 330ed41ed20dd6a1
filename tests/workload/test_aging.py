"""Memory put in the disorder of a long training run: nothing that is computed changes, only where the numbers lie."""

import gc
import json
import pathlib
import struct
import subprocess
import sys
from itertools import chain

import pytest

import engines
from bench.workload import aging
from bench.workload.config import Config
from bench.workload.trainer import Trainer

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = """
import json, sys
from bench.workload import aging
from bench.workload.trainer import Trainer

def pages():
    return len({id(p.data) >> 12 for p in trainer.optimizer.parameters})

trainer = Trainer(sys.argv[1])
found = [pages()]
aging.age(trainer)
found.append(pages())
for _ in range(6):
    trainer.step()
print(json.dumps([*found, pages()]))
"""
REPEATED = """
import json
from bench.workload.data import DEFAULT, path_of
from bench.workload.worker import Worker

worker = Worker(lambda: "")
worker.start({"engine": "reference", "documents": str(path_of(DEFAULT)), "config": {}, "gc": "on"})
worker.age({})
pages = []
for others in (0, 0, 0, 3, 0, 3, 0):
    worker.step({"repeats": 1 + others, "nonce": "ab"})
    pages.append(len({id(p.data) >> 12 for p in worker.trainer.optimizer.parameters}))
print(json.dumps(pages))
"""
DOCUMENTS = ["cabbage", "bead", "decade", "abed", "fad", "gab"]
CONFIG = Config(n_embd=8, n_head=2, block_size=6, schedule_steps=40)
cpython_only = pytest.mark.skipif(
    not hasattr(sys, "getallocatedblocks"), reason="only CPython leaves a number where it was made"
)


def bits(numbers):
    numbers = list(numbers)
    return struct.pack(f"<{len(numbers)}d", *numbers)


def told(script, *arguments):
    """What a script prints, in a process of its own, as its memory is looked at."""
    command = [sys.executable, "-c", script, *arguments]
    return json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)


def weights(trainer):
    return bits(chain.from_iterable(chain.from_iterable(trainer.weights().values())))


def pages(engine):
    """How many pages hold weights: in a young process, once it has aged, and after the untimed steps of a run."""
    return told(PAGES, engine)


@pytest.mark.parametrize("name", engines.NAMES)
def test_no_bit_changes(name):
    engine = engines.load(name)
    if engine.unavailable:
        pytest.skip(engine.unavailable)
    trainer, aged = Trainer(engine, DOCUMENTS, CONFIG), Trainer(engine, DOCUMENTS, CONFIG)
    aging.age(aged)
    for _ in range(3):
        assert weights(aged) == weights(trainer) and aged.steps_done == trainer.steps_done
        assert trainer.step().loss == aged.step().loss
    assert weights(aged) == weights(trainer)


def test_not_even_of_zeros_with_a_sign():
    trainer = Trainer("reference", DOCUMENTS, CONFIG)
    size = len(trainer.optimizer.parameters)
    trainer.load(0, [-0.0] * size, [0.0] * size, [0.0] * size)
    aging.age(trainer)
    assert weights(trainer) == bits([-0.0] * size)
    assert [bits(moments) for moments in (trainer.optimizer.m, trainer.optimizer.v)] == [bits([0.0] * size)] * 2


def test_moments_that_are_not_known_are_not_moved():
    trainer = Trainer("reference", DOCUMENTS, CONFIG)
    trainer.step()
    with pytest.raises(ValueError, match="before the first"):
        aging.age(trainer)


@cpython_only
def test_the_references_numbers_lie_apart_and_stay_so():
    young, aged, later = pages("reference")
    assert aged > 5 * young and later > 5 * young


@cpython_only
def test_an_update_that_keeps_numbers_together_has_them_together_again():
    young, aged, later = pages("grouped_adam")
    assert aged > 5 * young and later < 3 * young


@cpython_only
def test_steps_that_nobody_times_leave_the_numbers_where_they_are():
    pages = told(REPEATED)
    assert min(pages) > 0.25 * pages[0], pages


@pytest.mark.parametrize("collects", [True, False])
def test_the_collector_stays_as_it_was(collects):
    trainer, before = Trainer("reference", DOCUMENTS, CONFIG), gc.isenabled()
    try:
        if not collects:
            gc.disable()
        aging.age(trainer)
        assert gc.isenabled() == collects
    finally:
        gc.enable() if before else gc.disable()


def test_what_cannot_be_aged_stays_as_it_is(monkeypatch):
    trainer = Trainer("reference", DOCUMENTS, CONFIG)
    places = [id(p.data) for p in trainer.optimizer.parameters]
    monkeypatch.delattr(sys, "getallocatedblocks", raising=False)
    aging.age(trainer)
    assert [id(p.data) for p in trainer.optimizer.parameters] == places
