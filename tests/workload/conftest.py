"""Engines as parameters: every one that is listed, skipped with its own words where it cannot run."""

import pytest

import engines


def available(name):
    """The engine, or a skip that says what it lacks here."""
    engine = engines.load(name)
    if engine.unavailable:
        pytest.skip(f"{name}: {engine.unavailable}")
    return engine


@pytest.fixture(params=engines.NAMES)
def engine(request):
    """Each listed engine in turn."""
    found = available(request.param)
    yield found
    found.reset()


@pytest.fixture(params=[name for name in engines.NAMES if engines.load(name).value is not None])
def scalar_engine(request):
    """Each listed engine with a scalar Value class in turn."""
    found = available(request.param)
    yield found
    found.reset()


def pytest_collection_modifyitems(items):
    """Whole training runs first: begun last, one would be waited for alone."""
    items.sort(key=lambda item: "whole_run" not in item.keywords)
