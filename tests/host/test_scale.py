"""Scaling: how time grows with the model."""

import pathlib
import sys

import pytest

from bench.host.measure import scale
from bench.host.results import scaling


def test_scale(bench_command, documents):
    done = bench_command("scale", "--python", sys.executable, "--data", documents, "--engine", "combined", "--n-embd", "4,8",
        "--n-layer", "1,2", "--block-size", "4", "--steps", 2, "--rounds", 2, "--min-time", "0.001", "--name", "grown")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert (
        "Time over n_embd" in done.stdout and "Time over n_layer" in done.stdout and "block_size on" not in done.stdout
    )
    found = scaling.load(pathlib.Path("results/grown"))
    assert len(found.points) == 2 * 3 and all(point.parity for point in found.points)
    assert all(len(point.seconds) == 2 and min(point.seconds) > 0 for point in found.points)
    assert "nan" not in done.stdout
    nodes = [point.nodes for point in found.series("reference", "n_layer")]
    assert nodes[0] < nodes[1]
    assert bench_command("scale", "--show", "grown").stdout == done.stdout


@pytest.mark.parametrize(
    "options, words",
    [
        (["--n-embd", "8,4"], "increasing sizes"),
        (["--n-embd", "x"], "not a list of whole numbers"),
        (["--n-embd", "4", "--n-layer", "1", "--block-size", "4"], "at least two values of one"),
        (["--n-embd", "5,10"], "does not divide into 4 heads"),
        (["--show", "nowhere"], "has no scale.json"),
        (["--python", sys.executable, "--env", "A=1"], "one runtime"),
    ],
)
def test_bad_sizes(bench_command, options, words):
    done = bench_command("scale", *options)
    assert done.exit_code == 2 and words in done.stderr and done.stderr.count("\n") == 1
    assert not pathlib.Path("results").exists()


def test_documents_that_fill_a_block():
    joined = scale.long_documents(["ab", "c", "def"], 7)
    assert joined and all(len(document) >= 7 for document in joined)
