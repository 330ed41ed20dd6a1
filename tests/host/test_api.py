"""The library: what the commands do, as functions, with the same defaults."""

import doctest
import importlib.util
import inspect
import json
import pathlib
import subprocess
import sys

import pytest

import bench
from bench.api.requests import DEFAULTS
from bench.cli import (
    bisect,
    breakdown,
    calibrate,
    check,
    claims,
    compare,
    count,
    explain,
    history,
    interactions,
    ladder,
    merge,
    peers,
    profile,
    report,
    run,
    scale,
    threads,
    warmup,
)
from bench.host.results import store

ROOT = pathlib.Path(__file__).resolve().parents[2]
SMALL = bench.Config(n_embd=4, n_head=1, block_size=4)


def test_the_page_runs_as_it_stands():
    found = doctest.testfile(
        str(ROOT / "docs" / "python.md"),
        module_relative=False,
        optionflags=doctest.ELLIPSIS,
        globs={"PYTHON": sys.executable, "HAS_REPORT": importlib.util.find_spec("vl_convert") is not None},
    )
    assert found.attempted > 20 and found.failed == 0


# the options that are of the command line alone: how it prints, where it writes, and what another function is for
PRINTING = {"style", "shown", "junit", "json", "plot", "recordings", "plots", "charts", "plot_format", "headline"}
TEXTS = {"slowdowns", "inject"}  # there; numbers here
COMMANDS = {
    bench.measure: (run, []),
    bench.check: (check, []),
    bench.scale: (scale, []),
    bench.threads: (threads, []),
    bench.count: (count, []),
    bench.merge: (merge, ["one", "other"]),
    bench.peers: (peers, ["programs.toml"]),
    bench.bisect: (bisect, ["one"]),
    bench.calibrate: (calibrate, []),
    bench.compare: (compare, ["one", "other"]),
    bench.explain: (explain, ["one"]),
    bench.breakdown: (breakdown, []),
    bench.claims: (claims, ["one"]),
    bench.warmup: (warmup, []),
    bench.history: (history, []),
    bench.interactions: (interactions, []),
    bench.ladder: (ladder, []),
    bench.profile: (profile, ["compiled"]),
    bench.load_run: (report, []),
}


@pytest.mark.parametrize("function", COMMANDS)
def test_functions_have_the_commands_options_and_defaults(function):
    module, arguments = COMMANDS[function]
    ours = inspect.signature(function).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in ours.values()):  # those of every measuring function
        named = {
            name: inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)
            for name, default in DEFAULTS.items()
        }
        ours = {**ours, **named}
    workload = {*inspect.signature(bench.Config).parameters, "preset"} - {*ours}
    for option, value in module.command.make_context("x", arguments).params.items():
        if option in PRINTING or option in workload:  # the latter are `config`
            continue
        if option == "output" and function is not bench.profile:  # a page is returned
            continue
        if option == "over" and function is bench.load_run:  # of the page that is made of it
            assert "over" in inspect.signature(bench.report).parameters
            continue
        assert option in ours, f"{function.__name__} has no {option}"
        default = None if option in TEXTS else ours[option].default
        if default is not inspect.Parameter.empty and default is not None and default != ():
            assert value == (list(default) if isinstance(default, tuple) else default) or str(value) == default


def test_the_library_is_imported_when_it_is_asked_for():
    code = "import sys, bench; assert 'numpy' not in sys.modules and 'bench.api' not in sys.modules; bench.measure; assert 'bench.api' in sys.modules and 'bench.api.reading' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_name_is_there():
    for name in bench.__all__:
        assert getattr(bench, name) is not None
    with pytest.raises(AttributeError, match="no_such_thing"):
        bench.no_such_thing  # noqa: B018


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"engines": "reference"}, "must be a list"),
        ({"engines": ["reference"], "steps": 0}, "0 steps"),
        ({"engines": ["reference"], "rounds": 0}, "rounds is 0"),
        ({"engines": ["reference"], "gc": "maybe"}, "collector 'maybe'"),
        ({"engines": ["reference"], "budget": -1.0}, "budget_seconds is -1"),
        ({"engines": ["reference"], "name": "latest"}, "latest"),
        ({"engines": ["reference"], "pythons": ["no/such/python"]}, "no/such/python"),
        ({"engines": ["reference"], "data": "no_such_data"}, "no_such_data"),
        ({"engines": ["reference"], "lead_in": -1}, "lead_in is -1: give 0 or more"),
        ({"engines": ["reference"], "lead_in": 2, "from_start": True}, "give one of them"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(wrong, words, tmp_path):
    with pytest.raises((bench.UsageError, bench.WorkloadError, bench.EngineError), match=words) as error:
        bench.measure(**{"pythons": [sys.executable], "config": SMALL, **wrong})
    assert "\n" not in str(error.value)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("function", "wrong", "words"),
    [
        (bench.measure, {"rounds": "three"}, "rounds is 'three': give int"),
        (bench.measure, {"engines": [3]}, r"engines is \[3\]: give Sequence\[str\]"),
        (bench.measure, {"config": {"n_embd": 4}}, "give Config | None"),
        (bench.check, {"threshold": "1%"}, "threshold is '1%': give float | None"),
        (bench.calibrate, {"trials": 1.5}, "trials is 1.5: give int"),
        (bench.calibrate, {"slowdowns": "2%"}, "slowdowns is '2%': give Sequence"),
        (bench.compare, {"first": 1, "second": 2}, "first is 1: give Path | Run"),
        (bench.load_run, {"run": 3}, "run is 3: give Path"),
        (bench.plots, {"run": "latest", "folder": "charts"}, "run is 'latest': give Run"),
        (bench.history, {"ratios": [1.0]}, r"ratios is \[1.0\]: give Sequence\[str\] | None"),
        (bench.ladder, {"steps": "many"}, "steps is 'many': give int"),
    ],
)
def test_an_argument_of_another_type_is_bad_input_too(function, wrong, words, tmp_path):
    with pytest.raises(bench.UsageError, match=words) as error:
        function(**wrong)
    assert "\n" not in str(error.value) and not any(tmp_path.iterdir())


def test_a_run_as_a_frame_and_without_pandas(small_run, tmp_path, monkeypatch):
    small_run("--engine", "reference")
    loaded = store.load(tmp_path / "results" / "small")
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(bench.UsageError, match="pip install pandas"):
        loaded.to_frame()
    monkeypatch.undo()
    pandas = pytest.importorskip("pandas")
    frame = loaded.to_frame()
    assert isinstance(frame, pandas.DataFrame) and len(frame) == len(loaded.steps()) > 0


def test_an_option_that_there_is_not():
    with pytest.raises(TypeError, match="no option min_tim: choose from min_time"):
        bench.measure(["reference"], min_tim=0.1)


def test_render_says_what_it_takes():
    with pytest.raises(bench.UsageError, match="cannot make a table of a int"):
        bench.render(3)
    with pytest.raises(bench.UsageError, match="no style 'pdf'"):
        bench.render([], "pdf")


def test_programs_beside_engines(tmp_path, documents):
    file = tmp_path / "programs.toml"
    port = ROOT / "tests" / "host" / "port.py"
    command = [sys.executable, str(port), "{data}", "{steps}"]
    file.write_text(f"[peers.port]\ncommand = {json.dumps(command)}\n")
    config = bench.Config(n_embd=8, n_head=2, block_size=6)
    found = bench.peers(file, [], [sys.executable], data=str(documents), config=config, steps=3, rounds=1, name="ports")
    assert found.run.folder.name == "ports" and [peer.name for peer in found.record.peers] == ["port"]
    assert [entry["port"].status for entry in found.record.rounds] == ["ok"] and found.good()
    assert (found.run.folder / "tables.md").read_text() == bench.render(found, "github") + "\n"
    (runtime,) = found.run.record.runtimes
    assert found.over(("reference", runtime), "port").value > 0
    again = bench.load_peers("ports")
    assert again.record == found.record
    assert json.loads(bench.render(again, "json"))["good"] and "port" in bench.render(again, base="port")
    with pytest.raises(bench.UsageError, match="pythons must be a list"):
        bench.peers(file, [], sys.executable)
    with pytest.raises(bench.UsageError, match="no row 'prot' to compare with: did you mean 'port'"):
        bench.render(again, base="prot")


def test_scale(tmp_path):
    found = bench.scale(
        ["vector_exact"], [sys.executable], n_embd=[4, 8], n_layer=[1], block_size=[4], steps=1, rounds=1, name="sizes"
    )
    assert found.good() and bench.load_scaling("sizes").points == found.points
    assert (tmp_path / "results" / "sizes" / "tables.md").read_text() == bench.render(found, "github") + "\n"
    assert len(json.loads(bench.render(found, "json"))["points"]) == len(found.points) == 4
    with pytest.raises(bench.UsageError, match="one --python and no --env"):
        bench.scale(["vector_exact"], [sys.executable], env=["X=1"])
    with pytest.raises(bench.UsageError, match="pythons must be a list"):
        bench.scale(["vector_exact"], sys.executable)
    with pytest.raises(bench.UsageError, match="--n-embd : give increasing sizes"):
        bench.scale(["vector_exact"], [sys.executable], n_embd=[])


def test_calibrate(tmp_path):
    found = bench.calibrate(
        "native" if importlib.util.find_spec("_microgpt_native") else "compiled", sys.executable, null_trials=2,
        slowdowns=[(0.5, 1.0)], trials=1, budget=10.0, limit=25.0, threshold=0.05,
    )  # fmt: skip
    (page,) = (tmp_path / "results" / "calibration").glob("*.md")
    assert page.read_text() == bench.render(found, "github") + "\n"
    assert found.trials and {trial.slowdown for trial in found.trials} <= {0.0, 0.5}
