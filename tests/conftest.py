"""What every test may use. The repository's own bench and engines are tested, whatever else has those names."""

import os
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


@pytest.fixture(scope="session")
def names_path():
    """The real names.txt: not in the repository, so given by MICROGPT_BENCH_NAMES."""
    path = os.environ.get("MICROGPT_BENCH_NAMES")
    if not path:
        pytest.skip("set MICROGPT_BENCH_NAMES to the real names.txt to run this")
    return pathlib.Path(path)
