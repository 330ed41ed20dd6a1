"""The page of claims: verdicts follow from numbers, experiments find what they look for."""

import math
import pathlib
import shutil
import sys
from decimal import Decimal

import pytest

from bench.host.measure import experiments as asking
from bench.host.pages import claim_rules
from bench.host.results import store
from bench.host.stats.paired import Ratio
from bench.host.system import interpreters
from bench.workload import experiments

ENGINES = ["direct_division", "fused_cross_entropy", "iterative", "no_phantom_zero", "tape"]


def ratio(low, high):
    return Ratio(math.sqrt(low * high), low, high, 5)


def test_verdicts_follow_from_the_numbers():
    assert claim_rules.fewer_nodes(100, 75, 0.2, 0.3) == "confirmed"
    assert claim_rules.fewer_nodes(100, 99, 0.2, 0.3) == "less than claimed"
    assert claim_rules.fewer_nodes(100, 50, 0.2, 0.3) == "more than claimed"
    assert claim_rules.fewer_nodes(100, 100, 1e-9, 1) == claim_rules.fewer_nodes(100, 101, 0.2, 0.3) == "refuted"
    assert claim_rules.steadier(720, None) == claim_rules.steadier(720, 740) == "confirmed"
    assert claim_rules.steadier(720, 720) == claim_rules.steadier(None, None) == "not separable"
    assert claim_rules.steadier(20, 17) == claim_rules.steadier(17, 20) == "not separable"
    assert claim_rules.steadier(None, 720) == claim_rules.steadier(740, 720) == "refuted"
    fine, bad = [{"error": ""}] * 2, [{"error": ""}, {"error": "RecursionError"}]
    assert claim_rules.deeper(bad, fine) == "confirmed"
    assert claim_rules.deeper(fine, fine) == "not separable"
    assert claim_rules.deeper(bad, bad) == "refuted"
    assert claim_rules.about(ratio(7, 9), 8) == "confirmed"
    assert claim_rules.about(ratio(3, 4), 8) == "less than claimed"
    assert claim_rules.about(ratio(11, 14), 8) == "more than claimed"
    assert claim_rules.about(ratio(3, 9), 8) == claim_rules.about(Ratio(8, None, None, 1), 8) == "not separable"
    assert claim_rules.at_least(ratio(8.5, 9), 8) == "confirmed"
    assert claim_rules.at_least(ratio(7, 9), 8) == "not separable"
    assert claim_rules.at_least(ratio(1, 2), 8) == "refuted"


def test_exact_values():
    loss, *gradients = claim_rules.exact(1, 0)
    total = 1 + math.exp(-1) + math.exp(-2)
    assert float(loss) == pytest.approx(math.log(total), rel=1e-15)
    assert [float(g) for g in gradients] == pytest.approx([1 / total - 1, math.exp(-1) / total, math.exp(-2) / total])
    assert sum(gradients) == pytest.approx(0, abs=1e-25)
    near = claim_rules.exact(40, 0)[0]
    assert abs(near / (Decimal(-40).exp() + Decimal(-41).exp()) - 1) < Decimal("1e-16")


def test_the_reference_loses_its_digits_where_the_fused_form_keeps_them():
    answers = {name: experiments.stability(name) for name in ("reference", "fused_cross_entropy")}
    assert all(claim_rules.digits_kept(answer) > 13 for answer in answers["reference"] if answer["gap"] == 1)
    lost = claim_rules.first_bad_gap(answers["reference"], 1)
    assert 700 < lost["gap"] <= 746
    assert claim_rules.first_bad_gap(answers["fused_cross_entropy"], 1) is None
    assert any("math domain error" in a["error"] or "log" in a["error"] for a in answers["reference"] if a["gap"] > 746)


def test_an_unstable_engine_is_found(tmp_path):
    source = (interpreters.ROOT / "engines" / "fused_cross_entropy.py").read_text()
    assert "max(" in source
    path = tmp_path / "unstable.py"
    naive = (
        "def _naive(logits, target):\n"
        "    total = sum(logit.exp() for logit in logits)\n"
        "    return total.log() - logits[target]\n\n\n"
    )
    head, tail = source.split("ENGINE = Engine(")
    tail = tail.replace('name="fused_cross_entropy"', 'name="unstable"').replace(
        "cross_entropy=cross_entropy", "cross_entropy=_naive"
    )
    path.write_text(f"{head}{naive}ENGINE = Engine({tail}")
    bad = claim_rules.first_bad_gap(experiments.stability(str(path)), 1)
    assert bad["error"].startswith("OverflowError") and bad["gap"] == 710


def test_depths_of_the_recursive_and_the_iterative_sort():
    found = {name: experiments.depth(name) for name in ("reference", "iterative")}
    assert found["reference"][0]["error"] == "" and found["reference"][-1]["error"] == "RecursionError"
    assert all(answer["error"] == "" for answer in found["iterative"])


def test_the_page_of_a_run(small_run, bench_command):
    done = small_run(*(word for name in ENGINES for word in ("--engine", name)))
    assert done.exit_code == 0, done.output
    done = bench_command("claims", "small")
    assert done.exit_code == 0, done.output
    page = pathlib.Path("results/claims.md").read_text()
    for words in ("20–30 %", "better stability", "recursion limit", "phantom", "8 times"):
        assert words in page
    assert page.count("less than claimed") >= 1 and page.count("confirmed") >= 4
    experiments_file = pathlib.Path("results/small/claims.json")
    kept = experiments_file.read_bytes()
    assert bench_command("claims", "small", "--output", "again.md").exit_code == 0
    assert pathlib.Path("again.md").read_text() == page and experiments_file.read_bytes() == kept
    (runtime,) = store.load(pathlib.Path("results/small")).record.runtimes
    experiments_file.write_text("{")
    done = bench_command("claims", "small")
    assert done.exit_code == 2 and "damaged" in done.stderr
    assert bench_command("claims", "small", "--again").exit_code == 0
    assert runtime in page


def test_what_cannot_be_judged(small_run, bench_command):
    assert small_run("--engine", "tape").exit_code == 0
    done = bench_command("claims", "small")
    assert done.exit_code == 2 and "did not measure direct_division" in done.stderr
    assert not pathlib.Path("results/claims.md").exists()
    shutil.rmtree("results/small/rounds")
    assert bench_command("claims", "small").exit_code == 2
    assert bench_command("claims", "small", "--peers", "nobody").exit_code == 2


def test_an_interpreter_that_fails(tmp_path):
    runtime = interpreters.resolve(sys.executable, {})
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no luck >&2\nexit 3\n")
    broken.chmod(0o755)
    runtime = type(runtime)(**{**runtime.__dict__, "executable": str(broken)})
    with pytest.raises(Exception, match="cannot run the experiments: no luck"):
        asking.experiment(runtime)
