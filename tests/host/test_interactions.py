"""What pays together: the family of engines, the design, the command and its page."""

import ast
import json
import math
import pathlib
import random
import re
import shutil
import sys

import numpy as np
import pytest

import bench
from bench.host.measure import engine_family
from bench.host.measure import interactions as combining
from bench.host.results import interactions, switches
from bench.host.results.switches import SWITCHES
from bench.host.stats import factorial
from bench.host.system.interpreters import ROOT
from bench.workload.engine import LOSS_TOLERANCE, Parity
from bench.workload.engine_file import import_file

SMALL = bench.Config(n_embd=4, n_head=2, block_size=4)
WORDS = ["ab", "a", "cabbage", "bead"]
FOUR = ["tape", "direct_division", "no_phantom_zero", "fused_dot"]

# --------------------------------------------------------------------- the family


def parts(path):
    """What an engine file defines, by name, without what it says of itself."""
    found = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found[node.name] = ast.dump(node)
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            said = ("name", "summary", "parent", "change")
            found["ENGINE"] = {word.arg: ast.dump(word.value) for word in node.value.keywords if word.arg not in said}
    return found


@pytest.mark.parametrize("switch", [None, *(name for name in SWITCHES if (ROOT / "engines" / f"{name}.py").is_file())])
def test_one_switch_is_that_engines_own_code(switch, tmp_path):
    (path,) = engine_family.write([(switch,) if switch else ()], tmp_path)
    ours, its = parts(path), parts(ROOT / "engines" / f"{switch or 'reference'}.py")
    if switch == "grouped_adam":  # a variant: its optimizer, and the reference for the rest
        assert ours["Adam"] == its["Adam"]
        reference = parts(ROOT / "engines" / "reference.py")
        assert ours["Value"] == reference["Value"]
    else:
        assert ours == its


def losses(engine, steps=2):
    trainer = bench.Trainer(engine, WORDS, SMALL)
    return [trainer.step().loss for _ in range(steps)]


def test_combinations_agree_with_the_reference_as_they_promise(tmp_path):
    expected = losses("reference")
    every = switches.combinations()
    chosen = [one for one in every if len(one) <= 2] + [one for one in every if len(one) >= 9]
    assert {one for one in every if len(one) == 1} == {(name,) for name in SWITCHES}
    for combination, path in zip(chosen, engine_family.write(chosen, tmp_path)):
        engine = import_file(path).ENGINE
        got = losses(engine)
        assert engine.name == switches.name(combination) and switches.parse(path.stem) == combination
        assert max(abs(one - other) for one, other in zip(expected, got)) < LOSS_TOLERANCE, combination
        assert engine.parity is Parity.ROUNDING or got == expected, combination


def test_what_excludes_one_another():
    every = set(switches.combinations())
    assert len(every) == 1280 and not any({"tape", "closures"} <= set(one) for one in every)
    assert len(switches.pairs()) == math.comb(len(SWITCHES), 2) - len(switches.EXCLUDED)
    with pytest.raises(ValueError, match="do not go together"):
        engine_family.source(("iterative", "tape"))
    for wrong in ("tape", "base+tape+closures", "base+tape+tape", "base+nothing", ""):
        with pytest.raises(ValueError, match="no combination"):
            switches.parse(wrong)


# --------------------------------------------------------------------- design and effects


def matrices(names):
    every = switches.combinations(names)
    rows = np.array([[float(name in one) for name in names] for one in every])
    return every, rows, [(names.index(one), names.index(other)) for one, other in switches.pairs(names)]


NAMES = [name for name in SWITCHES if name not in ("unslotted", "float_constants", "grouped_adam", "plain_constants")]


def test_the_design_is_balanced_and_the_same_each_time():
    every, rows, pairs = matrices(NAMES)
    chosen = factorial.design(rows, pairs, 40, fixed=[3, 5])
    assert chosen == factorial.design(rows, pairs, 40, fixed=[3, 5]) and {3, 5} <= set(chosen)
    assert len(set(chosen)) == 40
    assert np.abs(rows[chosen].mean(axis=0) - rows.mean(axis=0)).max() < 0.12
    model = factorial.model_matrix(rows, pairs)
    random = np.random.default_rng(1).choice(len(every), 40, replace=False)
    determinants = [np.linalg.slogdet(model[which].T @ model[which])[1] for which in (chosen, random)]
    assert determinants[0] > determinants[1] + 5
    with pytest.raises(ValueError, match="more of them than coefficients"):
        factorial.design(rows, pairs, 10)


def test_effects_are_found_again():
    _, rows, pairs = matrices(NAMES)
    chosen = factorial.design(rows, pairs, 60)
    true = np.random.default_rng(2).normal(0, 0.3, 1 + len(NAMES) + len(pairs))
    y = factorial.model_matrix(rows, pairs) @ true
    noise = np.random.default_rng(3).normal(0, 0.01, len(chosen))
    fit = factorial.fit(rows[chosen], pairs, y[chosen] + noise)
    inside = []
    for factors in [*((i,) for i in range(len(NAMES))), *pairs]:
        exact = factorial.exact(rows, y, factors)
        found = fit.of(factorial.contrast(rows, pairs, factors))
        assert exact.half == 0 and found.value == pytest.approx(exact.value, abs=5 * found.half)
        inside.append(abs(found.value - exact.value) < found.half)
    assert np.mean(inside) > 0.8 and fit.scatter == pytest.approx(0.01, rel=0.5)
    both = len(NAMES) + 1 + pairs.index((0, 3))
    assert factorial.exact(rows, y, (0, 3)).value == pytest.approx(true[both])


def test_the_best_and_the_worst_order():
    costs = {(): 100.0, ("tape",): 80.0, ("fused_dot",): 30.0, ("tape", "fused_dot"): 20.0, ("closures",): 150.0}
    assert interactions.ladder(costs) == [(), ("fused_dot",), ("tape", "fused_dot")]
    worst = interactions.ladder(costs, best=False)
    assert interactions.added(worst) == ["tape", "fused_dot"]


# --------------------------------------------------------------------- the command


needs_valgrind = pytest.mark.skipif(shutil.which("valgrind") is None, reason="counts are Valgrind's")
OPTIONS = ["--n-embd", 4, "--n-head", 2, "--block-size", 4, "--min-time", "0.001", "--steps", 2, "--rounds", 2]


@needs_valgrind
def test_a_run_and_its_page(bench_command, documents, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    command = ["interactions", "--python", sys.executable, "--data", documents, *OPTIONS, "--name", "small"]
    done = bench_command(*command, *(word for name in FOUR for word in ("--switch", name)))
    assert done.exit_code == 0, done.output
    found = bench.load_interactions("small")
    assert found.good() and len(found.record.engines) == 16 and len(found.record.design) == 15
    assert {path.stem for path in pathlib.Path("results/small/engines").iterdir()} == set(found.record.design)
    assert str(tmp_path) not in pathlib.Path("results/small/interactions.json").read_text()
    assert all(
        engine.path is None or engine.path.startswith("engines/") for engine in found.run.record.engines.values()
    )
    costs = found.record.costs
    assert costs[("fused_dot",)] < costs[("tape",)] < costs[()]
    nodes = {switches.parse(name): one.nodes for name, one in found.record.engines.items()}
    assert nodes[("no_phantom_zero",)] < nodes[()] == nodes[("tape",)]

    shown = bench_command("interactions", "--show", "small", "--output", "page.md")
    assert shown.exit_code == 0 and shown.stdout == done.stdout
    page = pathlib.Path("page.md").read_text(encoding="utf-8")
    assert page == bench.interactions_page(found) and "nan" not in page
    first = page.split("\n\n")[:3]
    assert "first 3 changes to make" in first[1] and first[2].startswith("- **fused_dot**")
    assert all(f"\n{number}. " in page for number in (1, 2, 3))
    for words in ("all 16 legal combinations", "The worst order", "tape × fused_dot", "| combined "):
        assert words in page
    pytest.importorskip("vl_convert")
    assert bench_command("interactions", "--show", "small", "--output", "page.md", "--plot", "both.svg").exit_code == 0
    assert "](both.svg)" in pathlib.Path("page.md").read_text(encoding="utf-8")
    assert "fused_dot" in pathlib.Path("both.svg").read_text(encoding="utf-8")
    for refused, words in (
        (["interactions", "--show", "small", "--plot", "both.gif"], "unknown picture format"),
        (["show", "small"], "interactions --show"),
        (["interactions", "--show", "nowhere"], "has no interactions.json"),
        ([*command, *(word for name in FOUR for word in ("--switch", name))], "exists already"),
    ):
        done = bench_command(*refused)
        assert done.exit_code == 2 and words in done.stderr and done.stderr.count("\n") == 1

    path = pathlib.Path("results/small/interactions.json")
    whole = json.loads(path.read_text())
    for damage in ({"engines": {}}, {"design": ["base+nothing"]}, {"positions": "1"}, {"config": {}}):
        path.write_text(json.dumps({**whole, **damage}))
        done = bench_command("interactions", "--show", "small")
        assert done.exit_code == 2 and done.stderr.count("\n") == 1, damage
    raw, chance = json.dumps(whole), random.Random(0)
    for _ in range(12):  # whatever is wrong with it, a line says so
        at, length = chance.randrange(len(raw)), chance.randrange(1, 9)
        path.write_text(raw[:at] + "".join(chance.choices('0-9",:[]{}ex', k=length)) + raw[at + length :])
        done = bench_command("interactions", "--show", "small")
        assert done.exit_code in (0, 1) or (done.exit_code == 2 and done.stderr.count("\n") == 1), done.output


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--switch", "no_such"], "'no_such' is not one of"),
        (["--switch", "tape"], "at least four switches"),
        (["--timed", 5], "--timed 5 is not possible"),
        (["--timed", 5000], "--timed 5000 is not possible"),
        (["--counting", "x"], "'x'"),
        (["--name", "latest"], "reserved"),
        (["--python", sys.executable, "--env", "A=1"], "one runtime"),
        (["--data", "nowhere.txt"], "nowhere.txt"),
        (["--output", "no/where.md"], "cannot write"),
    ],
)
def test_bad_input(bench_command, options, words):
    done = bench_command("interactions", *options)
    assert done.exit_code == 2 and words in done.stderr and done.stderr.count("\n") == 1, done.output
    assert not pathlib.Path("results").exists()


def test_the_librarys_own_refusals():
    for wrong, words in (
        ({"switches": "tape"}, "must be a list"),
        ({"switches": ["no"]}, "no switch 'no'"),
        ({"switches": FOUR, "timed": 16}, "have 15 combinations"),
    ):
        with pytest.raises(bench.UsageError, match=words):
            bench.interactions(**wrong)
    with pytest.raises(bench.UsageError, match="no run"):
        bench.interactions_page()
    assert combining.check_number(list(SWITCHES), None) == 99


@pytest.mark.newest
def test_the_committed_page_is_the_committed_runs(monkeypatch):
    monkeypatch.chdir(ROOT)
    committed = pathlib.Path("results/interactions.md").read_text(encoding="utf-8")
    command = re.search(r"Made by `microgpt-bench (interactions [^`]*)`", committed)[1]
    shown = re.findall(r"--show (\S+)", command)
    picture = re.search(r"!\[[^]]*\]\(([^)]*)\)", committed)
    address = picture and picture[1]
    assert bench.interactions_page(*shown, picture=address, results="results/interactions") == committed, (
        f"run microgpt-bench {command}"
    )
