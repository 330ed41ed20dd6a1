"""Where a step's time goes: phases in a worker, callgrind's files, the groups of functions, the committed page."""

import importlib.util
import json
import pathlib
import shutil
import sys

import pytest

import bench
from bench.host.measure import breakdown as measuring
from bench.host.measure import callgrind, sampling
from bench.host.measure.valgrind import CannotCount
from bench.host.pages import breakdown_charts
from bench.host.pages.breakdown_numbers import broken
from bench.host.pages.symbols import UNMAPPED, groups
from bench.host.results import breakdown, store
from bench.host.results.breakdown import REST, CellBreakdown
from bench.workload import phases
from bench.workload.config import Config
from bench.workload.trainer import Trainer

ROOT = pathlib.Path(__file__).resolve().parents[2]
RUN = ROOT / "results" / "breakdown"
TINY = Config(n_embd=8, n_head=2, block_size=6)
committed = pytest.mark.skipif(not (RUN / "breakdown.json").exists(), reason="no breakdown is committed")
needs_valgrind = pytest.mark.skipif(shutil.which("valgrind") is None, reason="no valgrind on PATH")


# --------------------------------------------------------------------- measuring


@pytest.mark.parametrize("engine", ["reference", "closures", "combined", "compiled", "vector"])
def test_a_marked_step_is_the_same_step_and_says_where_its_phases_end(engine, monkeypatch):
    plain, trainer, ended = Trainer(engine, ["abc", "cab"], TINY), Trainer(engine, ["abc", "cab"], TINY), []
    monkeypatch.setattr(phases, "end", ended.append)
    before = trainer.engine
    step = phases.marked(trainer)
    for _ in range(3):
        assert step().loss == plain.step().loss
    # the sort's end is in the copy of the engine's file that is counted
    assert ended == [phase for phase in phases.ENDS if phase != "sort"] * 3
    assert trainer.engine is before


@pytest.mark.parametrize("engine", ["reference", "iterative", "closures", "unslotted", "tape", "fused_dot", "combined"])
def test_the_sort_ends_where_the_gradient_of_the_loss_is_set(engine):
    text = (ROOT / "engines" / f"{engine}.py").read_text(encoding="utf-8")
    (found,) = callgrind.SORTED.finditer(text)
    compile(callgrind.SORTED.sub(r"\1\2; pass", text), engine, "exec")
    after = text[found.end() :]
    assert "reversed(" in after and "build_topo" not in after


PART = """\
# callgrind format
version: 1
pid: 1
part: {part}
desc: Trigger: --dump-before={trigger}

events: Ir Dr Dw I1mr D1mr D1mw ILmr DLmr DLmw

ob=(1) /usr/bin/python3.14
fl=(1) ???
fn=(1) _PyEval_EvalFrameDefault'2
0 {loop} 5 5 1 2 3
cob=(2) /lib/libm.so.6
cfn=(2) 0x0000000000090a30
calls=7 0
0 999999
0 10

ob=(2)
fn=(2)
0 20 0 0 0 0 0 0 1 1

ob=(1)
fn=(3) float_add.lto_priv.0
0 30
"""


def write_parts(folder, triggers):
    for number, trigger in enumerate(triggers, 1):
        (folder / f"counted.{number}").write_text(PART.format(part=number, trigger=trigger, loop=100 * number))


def test_what_callgrind_writes(tmp_path):
    write_parts(tmp_path, ["os_geteuid.lto_priv.0"])
    part = callgrind._Part(tmp_path / "counted.1")
    assert part.phase == "sort"
    assert dict(part.functions) == {
        "_PyEval_EvalFrameDefault": [110, 6, 0],  # what a call costs is the called function's
        "libm.so.6": [20, 0, 2],
        "float_add": [30, 0, 0],
    }


def test_the_last_round_is_kept_and_start_up_left_out(tmp_path):
    step = [f"os_{function}.lto_priv.0" for function in phases.ENDS.values()]
    write_parts(tmp_path, ["os_geteuid", "os_getuid", *step * 2 * callgrind.CYCLE])
    parts = [callgrind._Part(path) for path in sorted(tmp_path.iterdir(), key=callgrind._number)]
    found = callgrind._means(parts, "a Python")
    assert list(found) == [phase for phase in phases.ENDS if phase != "between"]
    last = [100 * (len(parts) - 6 * step_ - 4) for step_ in range(callgrind.CYCLE)]  # forward is the 2nd of 6
    assert found["forward"]["_PyEval_EvalFrameDefault"][0] == sum(last) / callgrind.CYCLE + 10


def test_without_symbols_a_line_says_what_to_do(tmp_path):
    with pytest.raises(CannotCount, match=r"a Python has no symbols .* python3.X-dbg") as error:
        callgrind._means([], "a Python")
    assert "\n" not in str(error.value)


@pytest.fixture
def tools(monkeypatch):
    """Whatever is installed here: their versions, and samples."""
    monkeypatch.setattr(measuring, "valgrind_version", lambda: "valgrind-0")
    monkeypatch.setattr(sampling, "perf_version", lambda: "perf version 0")
    monkeypatch.setattr(sampling, "by_function", lambda *_: {"_PyEval_EvalFrameDefault": 9, "gc_collect_main": 1})


@needs_valgrind
def test_a_cell_is_broken_down(small_run, bench_command, tools):
    """On the Python at hand, which may have symbols or not."""
    assert small_run("--engine", "fused_dot").exit_code == 0
    done = bench_command("breakdown", "small", "--engine", "reference", "--output", "page.md")
    (cell,) = breakdown.kept(store.load(pathlib.Path("results/small"))).cells.values()
    if done.exit_code == 2:
        assert "has no symbols" in done.stderr and "has no symbols" in cell.failed, done.output
        return
    assert set(cell.phases) == {*phases.ENDS} - {"between"} and cell.samples
    instructions = {phase: sum(counts[0] for counts in found.values()) for phase, found in cell.phases.items()}
    assert all(instructions[phase] > 1e4 for phase in ("forward", "sort", "backward", "update")), instructions
    assert "# Where a step's time goes" in pathlib.Path("page.md").read_text(encoding="utf-8")


def test_a_python_without_symbols_is_a_line_and_no_page(small_run, bench_command, tools, monkeypatch):
    def nameless(*_):
        raise CannotCount("x has no symbols")

    assert small_run("--engine", "fused_dot").exit_code == 0
    monkeypatch.setattr(callgrind, "by_function", nameless)
    done = bench_command("breakdown", "small")
    assert done.exit_code == 2 and done.stderr.strip().splitlines()[-1] == "microgpt-bench: x has no symbols"
    assert not pathlib.Path("results/small.md").exists()
    kept = breakdown.kept(store.load(pathlib.Path("results/small")))
    assert [cell.failed for cell in kept.cells.values()] == ["x has no symbols"] * 2
    again = bench_command("breakdown", "small")  # it is known by now
    assert again.exit_code == 2 and "no breakdown of the reference" in again.stderr and again.stderr.count("\n") == 1


def test_what_is_kept_is_not_measured_again(small_run, bench_command, tools, monkeypatch):
    def found(*common):
        measured.append(common[2])
        return {"forward": {"_PyEval_EvalFrameDefault": [9e5, 9.0, 9.0], "gc_collect_main": [1e5, 90.0, 90.0]}}

    measured = []
    monkeypatch.setattr(callgrind, "by_function", found)
    assert small_run("--engine", "fused_dot").exit_code == 0
    for options, more in (
        (["--engine", "reference"], ["reference"]),
        ([], ["fused_dot"]),
        ([], []),
        (["--again", "--engine", "fused_dot"], ["fused_dot"]),
    ):
        page = bench.breakdown("small", options[-1:], again="--again" in options)
        assert measured == more
        measured.clear()
    assert "fused_dot" in page and page == bench.breakdown("small", seconds=1)
    if importlib.util.find_spec("vl_convert"):
        assert bench_command("breakdown", "small").exit_code == 0
        assert pathlib.Path("results/small.md").read_text(encoding="utf-8") == page
        assert len(list(pathlib.Path("results/small/plots").glob("breakdown-*.svg"))) == 3


def test_without_valgrind_a_line_says_how_to_get_it(small_run, bench_command, monkeypatch):
    assert small_run("--engine", "fused_dot").exit_code == 0
    monkeypatch.setenv("PATH", "")
    done = bench_command("breakdown", "small")
    assert done.exit_code == 2 and "apt install valgrind" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.skipif(shutil.which("perf") is None, reason="no perf on PATH")
def test_samples(documents):
    from bench.host.system import interpreters

    runtime = interpreters.resolve(sys.executable, {})
    try:
        found = sampling.by_function(runtime, ROOT, "fused_dot", documents, TINY.record(), "on", 0.5)
    except CannotCount as why:
        pytest.skip(str(why))  # a container may not be looked into
    assert sum(found.values()) > 10
    with pytest.raises(CannotCount, match=r"no samples: .*no_such_engine"):
        sampling.by_function(runtime, ROOT, "no_such_engine", documents, TINY.record(), "on", 0.5)


# --------------------------------------------------------------------- groups and pages


def test_each_function_has_the_group_that_it_is_known_for():
    for function, group in {
        "_PyEval_EvalFrameDefault": "interpreter loop",
        "_PyEvalFramePushAndInit": "calls",
        "slot_tp_init": "calls",
        "gc_collect_main": "collector",
        "subtype_traverse": "collector",
        "tuple_dealloc": "allocating and freeing",
        "PyFloat_FromDouble": "allocating and freeing",
        "PyObject_GC_Del": "allocating and freeing",
        "float_add": "arithmetic",
        "PyNumber_Multiply": "arithmetic",
        "libm.so.6": "arithmetic",
        "zip_next": "containers",
        "_PySet_Contains": "containers",
        "PyObject_IsInstance": "attributes and types",
        "libc.so.6": "C library and system",
        "_core.cpython-314-x86_64-linux-gnu.so": "code of the engine in C",
        "something_else": UNMAPPED,
        REST: UNMAPPED,
    }.items():
        assert groups().of(function) == group, function


@committed
def test_next_to_nothing_is_unmapped_in_what_is_committed():
    run = store.load(RUN)
    cells = broken(run, breakdown.kept(run))
    assert len({runtime for _, runtime in cells}) >= 2
    for cell, one in cells.items():
        assert one.counted.get(UNMAPPED, 0.0) < 0.05 and one.sampled.get(UNMAPPED, 0.0) < 0.05, cell
        assert sum(one.counted.values()) == pytest.approx(1) and sum(one.sampled.values()) == pytest.approx(1)
        assert sum(one.phases_of("collector").values()) == pytest.approx(one.by_group.get("collector", [0])[0])


@committed
def test_the_page_is_that_of_the_committed_breakdown(monkeypatch):
    monkeypatch.chdir(ROOT)
    committed = pathlib.Path("results/breakdown.md").read_text(encoding="utf-8")
    page = bench.breakdown("breakdown", ["reference"])  # which is there: nothing is measured
    assert page == committed, "run microgpt-bench breakdown breakdown --engine reference"
    run = bench.load_run("breakdown")
    for chart in breakdown_charts.breakdowns(run):
        picture = (RUN / "plots" / f"{chart.name}.svg").read_text(encoding="utf-8")
        assert run.record.created in picture and chart.title in picture


def test_thin_functions_are_kept_as_one():
    found = {"forward": {"large": [1e6, 10.0, 1.0], "a": [10.0, 1.0, 0.0], "b": [20.0, 2.0, 1.0]}}
    assert breakdown.thinned(found) == {"forward": {"large": [1e6, 10.0, 1.0], REST: [30.0, 3.0, 1.0]}}
    assert breakdown.thinned_samples({"large": 10**6, "a": 1, "b": 2}) == {"large": 10**6, REST: 3}


GOOD = {"phases": {"forward": {"f": [1.0, 1.0, 1.0]}}, "samples": {"f": 1}, "failed": ""}


@pytest.mark.parametrize(
    "wrong",
    [
        {"phases": {"forward": {"f": [1.0, 1.0]}}},
        {"phases": {"forward": {"f": [-1.0, 1.0, 1.0]}}},
        {"phases": {"forward": {"f": [1e999, 1.0, 1.0]}}},
        {"phases": {"lunch": {"f": [1.0, 1.0, 1.0]}}},
        {"phases": {}},
        {"samples": {}},
        {"samples": {"f": -1}},
    ],
)
def test_a_damaged_file_is_refused(tmp_path, wrong):
    path = tmp_path / "breakdown.json"
    record = {"schema": 1, "valgrind": "", "perf": "", "cells": {"reference@x": GOOD}}
    path.write_text(json.dumps(record))
    assert store.read(path, breakdown.BreakdownRecord, breakdown.check).cells["reference@x"] == CellBreakdown(
        **{name: GOOD[name] for name in ("phases", "samples")}
    )
    record["cells"]["reference@x"] = {**GOOD, **wrong}
    path.write_text(json.dumps(record))
    with pytest.raises(bench.UsageError, match="is damaged"):
        store.read(path, breakdown.BreakdownRecord, breakdown.check)
