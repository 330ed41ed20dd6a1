"""Exact counters: that they repeat, and what is said where they can't be had."""

import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import sys

import pytest

from bench.host.measure import counters, valgrind
from bench.host.results import store
from bench.host.system import interpreters
from bench.workload import worker
from bench.workload.config import Config
from bench.workload.data import Vocabulary
from tests.host.conftest import engine_file

TINY = dataclasses.asdict(Config(n_embd=8, n_head=2, block_size=6))
needs_valgrind = pytest.mark.skipif(shutil.which("valgrind") is None, reason="no valgrind on PATH")


@pytest.fixture(autouse=True)
def _not_for_long(monkeypatch):
    monkeypatch.setattr(counters, "COLLECTOR_NANOSECONDS", 1e8)


@pytest.fixture
def few_steps(monkeypatch):
    """One round of the documents is enough: these tests are about the count, not about its resolution."""
    monkeypatch.setattr(valgrind, "ENOUGH", 1)


@pytest.fixture(scope="module")
def runtime():
    return interpreters.resolve(sys.executable, {})


@pytest.fixture
def counted(runtime, documents, tmp_path):
    """Count ``combined`` from a copy of the source at a path of its own."""

    def count(folder="source", engine="combined", **options):
        source = tmp_path / folder / "source"
        for part in ("engines", "bench/workload"):
            shutil.copytree(interpreters.ROOT / part, source / part, dirs_exist_ok=True)
        shutil.copy(interpreters.ROOT / "bench" / "__init__.py", source / "bench")
        return valgrind.instructions_per_step(runtime, source, engine, documents, TINY, cycle=3, **options)

    return count


@needs_valgrind
def test_instructions_repeat_wherever_the_source_lies(counted, few_steps, monkeypatch):
    first = counted()
    assert first.per_step > 1e5
    assert (first.steps[1] - first.steps[0]) % first.cycle == 0
    monkeypatch.setenv("SOMETHING_IN_THE_ENVIRONMENT", "x" * 1000)
    again = counted("a/copy/at/a/much/longer/path")
    assert again.steps == first.steps
    assert again.per_step == pytest.approx(first.per_step, rel=1e-4)


@needs_valgrind
@pytest.mark.slow
def test_other_layouts_count_nearly_the_same(counted, few_steps):
    plain = counted()
    assert counted(layout=1, steps=plain.steps).per_step == pytest.approx(plain.per_step, rel=5e-3)


@needs_valgrind
def test_why_a_cell_is_not_counted(counted, tmp_path):
    with pytest.raises(valgrind.CannotCount, match="took longer than 0 s"):
        counted(timeout=0.01)
    failing = engine_file(
        tmp_path, "failing", "def backward(loss):\n    raise ValueError('no')\nENGINE = replace(backward=backward)\n"
    )
    with pytest.raises(valgrind.CannotCount, match="under Valgrind: ValueError: no"):
        counted(engine=failing)
    lacking = engine_file(tmp_path, "lacking", "ENGINE = replace(unavailable='no such thing: get it')\n")
    with pytest.raises(counters.EngineUnavailable, match="no such thing: get it"):
        counted(engine=lacking)


@needs_valgrind
def test_count_and_show(few_steps, small_run, bench_command, monkeypatch):
    assert small_run("--engine", "fused_dot").exit_code == 0
    before = pathlib.Path("results/small/rounds/001.json").read_bytes()
    done = bench_command("count", "small")
    assert done.exit_code == 0, done.output
    assert "counters of a step" in done.stdout and "instructions" in done.stdout and "gc %" in done.stdout
    assert pathlib.Path("results/small/rounds/001.json").read_bytes() == before
    found = store.load(pathlib.Path("results/small")).counters
    assert found is not None and found.valgrind.startswith("valgrind-")
    (reference,) = (cell for name, cell in found.cells.items() if name.startswith("reference@"))
    (fused,) = (cell for name, cell in found.cells.items() if name.startswith("fused_dot@"))
    assert reference.instructions > fused.instructions > 0
    assert reference.cycle == 3 and (reference.steps[1] - reference.steps[0]) % 3 == 0
    for style in ("plain", "github", "html"):
        assert "counters of a step" in bench_command("show", "small", "--format", style).stdout
    shown = json.loads(bench_command("show", "small", "--format", "json").stdout)
    assert any("counters" in table["title"] for table in shown["tables"])
    kept = cells(bench_command, monkeypatch)  # without Valgrind now
    assert kept["reference"].instructions == reference.instructions


def test_without_valgrind_a_line_says_how_to_get_it(small_run, bench_command, monkeypatch):
    assert small_run("--engine", "fused_dot").exit_code == 0
    monkeypatch.setenv("PATH", "")
    done = bench_command("count", "small")
    assert done.exit_code == 0, done.output
    (line,) = (line for line in done.stdout.splitlines() if "no valgrind on PATH" in line)
    assert "apt install valgrind" in line
    heads = next(line.split() for line in done.stdout.splitlines() if line.startswith("engine"))
    assert heads == ["engine", "nodes", "blocks", "kB", "gc", "%", "gcs"]


def test_a_valgrind_that_cannot_run_the_interpreter(small_run, bench_command, monkeypatch, tmp_path):
    assert small_run("--engine", "fused_dot").exit_code == 0
    fake = tmp_path / "bin" / "valgrind"
    fake.parent.mkdir()
    fake.write_text(
        "#!/bin/sh\n[ $1 = --version ] && exec echo valgrind-0\necho 'unhandled instruction bytes' >&2\nexit 132\n"
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    done = bench_command("count", "small")
    assert done.exit_code == 0, done.output
    assert done.stdout.count("Valgrind does not know an instruction that this interpreter uses") == 2
    assert "fused_dot" in done.stdout


def cells(bench_command, monkeypatch, *arguments):
    """The counters of the run ``small``, Valgrind's left out."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(monkeypatch.context()).setenv("PATH", "")
        assert bench_command("count", "small", *arguments).exit_code == 0
    found = store.load(pathlib.Path("results/small")).counters
    return {name.partition("@")[0]: cell for name, cell in found.cells.items()}


def test_memory_repeats_and_follows_the_graph(small_run, bench_command, monkeypatch):
    assert small_run("--engine", "fused_dot").exit_code == 0
    first = cells(bench_command, monkeypatch)
    again = cells(bench_command, monkeypatch)
    for engine in ("reference", "fused_dot"):
        assert again[engine].blocks == pytest.approx(first[engine].blocks, rel=1e-3)
        assert again[engine].peak_bytes == pytest.approx(first[engine].peak_bytes, rel=1e-2)
        assert again[engine].nodes == first[engine].nodes
    reference = first["reference"]
    assert first["fused_dot"].blocks < reference.blocks
    assert first["fused_dot"].peak_bytes < reference.peak_bytes
    # a node of the reference is an object, its number and the tuple of its children at least
    assert reference.blocks > 2 * reference.nodes
    assert reference.peak_bytes > 16 * reference.blocks


def test_the_collectors_share(small_run, bench_command, monkeypatch):
    assert small_run("--engine", "fused_dot").exit_code == 0
    reference = cells(bench_command, monkeypatch, "--engine", "reference")["reference"]
    assert 0 < reference.collector_share < 1
    assert reference.collections > 0


def test_no_collector_no_share(small_run, bench_command, monkeypatch):
    assert small_run("--engine", "fused_dot", "--gc", "off").exit_code == 0
    found = cells(bench_command, monkeypatch, "--engine", "reference")
    assert set(found) == {"reference"}
    assert found["reference"].collector_share == 0
    assert found["reference"].collections == 0
    assert "fused_dot" in cells(bench_command, monkeypatch, "--engine", "fused_dot")  # added, the other one kept
    assert len(cells(bench_command, monkeypatch, "--engine", "fused_dot")) == 2


def test_a_version_means_the_runtime_without_switches(small_run, bench_command, monkeypatch):
    """Both have the same --python value."""
    assert small_run("--engine", "fused_dot", "--env", "PYTHONHASHSEED=0").exit_code == 0
    cells(bench_command, monkeypatch, "--engine", "fused_dot", "--python", sys.executable)
    (counted,) = store.load(pathlib.Path("results/small")).counters.cells
    assert "PYTHONHASHSEED" not in counted


def test_bad_input(small_run, bench_command):
    assert bench_command("count").stderr.strip().endswith("microgpt-bench run makes one")
    assert small_run("--engine", "fused_dot").exit_code == 0
    for arguments, said in [
        (["nowhere"], "is not a run"),
        (["small", "--engine", "tape"], "no engine tape in results/small: choose from reference, fused_dot"),
        (["small", "--python", "2.7"], "no runtime 2.7 in results/small"),
        (["small", "--timeout", "never"], "is not a duration"),
    ]:
        done = bench_command("count", *arguments)
        assert done.exit_code == 2
        assert said in done.stderr and len(done.stderr.strip().splitlines()) == 1
    pathlib.Path("results/small/counters.json").write_text("{}")
    done = bench_command("show", "small")
    assert done.exit_code == 2 and "counters.json is damaged" in done.stderr


class _Clock:
    """A clock that only its own readings and the steps move on."""

    def __init__(self):
        self.now = 0

    def __call__(self):
        self.now += 1
        return self.now


class _StandIn:
    """A trainer whose step takes 1,000 ticks of the clock."""

    def __init__(self, clock):
        self.clock = clock

    def snapshot(self):
        return None

    def restore(self, _):
        pass

    steps_done = 0
    documents = ("ab",)
    vocabulary = Vocabulary(documents)

    def step(self, look=None, document=None):
        self.clock.now += 1000
        return type("Step", (), {"loss": 1.0})

    def validation_due(self):
        return False


@pytest.mark.parametrize("repeats", [1, 3])
def test_a_slowdown_is_inside_the_clock(repeats):
    clock = _Clock()
    slowed = worker.Worker(lambda: "")
    slowed.trainer, slowed.cpu_ticks_finely = _StandIn(clock), True
    for share in (0.0, 0.05, 0.5):
        slowed.slowdown = share
        took = slowed.step({"repeats": repeats, "nonce": "a"}, wall=clock, processor=clock)
        for time in (took["ns"], took["cpu_ns"]):
            assert 1000 * (1 + share) <= time <= 1000 * (1 + share) + 12  # every look at the clock is a tick
