"""The list of public ports, and what lays a start file out for them."""

import json
import pathlib
import runpy
import subprocess
import sys

import pytest

from bench.host.measure.peer_file import KEYS
from bench.host.pages import claim_registry
from bench.host.system import toml_file
from bench.workload import start_file
from bench.workload.config import Config
from bench.workload.trainer import Trainer

RIVALS = pathlib.Path(__file__).parents[2] / "examples" / "rivals"
PEERS = toml_file.read(RIVALS / "rivals.toml")["peers"]
AROUND = ["wte", "wpe", "lm_head"]
ATTENTION = ["layer0.wq", "layer0.wk", "layer0.wv", "layer0.wo"]
MLP = ["layer0.fc1", "layer0.fc2"]


@pytest.mark.parametrize(
    "order, names",
    [
        ([], [*AROUND, *ATTENTION, *MLP]),
        (["--layers-first"], [*ATTENTION, *MLP, *AROUND]),
        (["--head-last"], ["wte", "wpe", *ATTENTION, *MLP, "lm_head"]),
        (["--woven"], [*AROUND, ATTENTION, *MLP]),
    ],
)
def test_a_start_is_laid_out_in_the_programs_order(tmp_path, documents, order, names):
    trainer = Trainer("vector", documents, Config(n_embd=8, n_head=2, block_size=6))
    (tmp_path / "start.txt").write_text(start_file.text_of(trainer), encoding="utf-8")
    shows = "print([open(name).read().split() for name in ('input.txt', 'weights.txt')])"
    command = [sys.executable, RIVALS / "begin.py", *order, "start.txt", sys.executable, "-c", shows]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    read, numbers = json.loads(done.stdout.replace("'", '"'))
    assert read == trainer.documents
    flat = {name: [x for row in rows for x in row] for name, rows in trainer.weights().items()}
    expected = []
    for name in names:
        expected += flat[name] if isinstance(name, str) else [x for four in zip(*map(flat.get, name)) for x in four]
    assert list(map(float, numbers)) == expected  # every bit


def test_each_port_is_one_that_is_built_and_each_claim_has_its_port():
    ports = runpy.run_path(str(RIVALS / "prepare.py"))["ALL"]
    page = (RIVALS.parents[1] / "docs" / "rivals.md").read_text(encoding="utf-8")
    for about in PEERS.values():
        assert set(about) <= set(KEYS)
        folder = about["cwd"].removeprefix("ports/built/")
        assert folder == ".." or folder in ports
    for port in ports.values():
        assert port.repository.replace("+", "/", 1) in page and port.revision in page
    for claim in claim_registry.load().claims:
        for peer in filter(None, (claim.peer, claim.over_peer)):
            assert peer in PEERS or claim.needs, f"{claim.id} is about {peer}, which rivals.toml lacks"
