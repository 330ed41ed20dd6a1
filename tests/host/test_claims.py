"""The page of claims: its registry is checked, verdicts follow from numbers, experiments find what they look for."""

import json
import math
import pathlib
import re
import shutil
import sys
from decimal import Decimal

import pytest

import bench
from bench.host.measure import experiments as asking
from bench.host.pages import claim_registry, claim_rules
from bench.host.pages.claim_findings import LOOK
from bench.host.results import builds
from bench.host.system import interpreters
from bench.workload import experiments

ROOT = pathlib.Path(__file__).resolve().parents[2]
ENGINES = ["direct_division", "fused_cross_entropy", "iterative", "no_phantom_zero", "tape"]


def test_a_verdict_at_its_borders():
    assert claim_rules.within(0.2, 0.3, 0.2, 0.3) == "confirmed"
    assert claim_rules.within(0.25, 0.25, 0.2, 0.3) == "confirmed"
    assert claim_rules.within(0.301, 0.4, 0.2, 0.3) == "more than claimed"
    assert claim_rules.within(0.1, 0.199, 0.2, 0.3) == "less than claimed"
    assert claim_rules.within(0.19, 0.25, 0.2, 0.3) == claim_rules.within(0.25, 0.31, 0.2, 0.3) == "not separable"
    assert claim_rules.within(0.1, 0.4, 0.2, 0.3) == claim_rules.within(None, None, 0.2, 0.3) == "not separable"
    assert claim_rules.within(11.0, 13.0, 7.2, 8.8) == "more than claimed"  # 8x claimed, 12x found
    assert claim_rules.within(1.01, 9, 1, math.inf, above=True) == "confirmed"
    assert claim_rules.within(0, 0, 0, math.inf, above=True) == "less than claimed"  # equal is not more
    assert claim_rules.within(0.9, 1, 1, math.inf, above=True) == "less than claimed"
    assert claim_rules.within(1, 1.1, 1, math.inf, above=True) == "not separable"
    assert claim_rules.steadier(720, None) == claim_rules.steadier(720, 740) == "confirmed"
    assert claim_rules.steadier(720, 720) == claim_rules.steadier(None, None) == "not separable"
    assert claim_rules.steadier(20, 17) == claim_rules.steadier(17, 20) == "not separable"
    assert claim_rules.steadier(20, 15) == claim_rules.steadier(None, 720) == "less than claimed"
    fine, bad = [{"error": ""}] * 2, [{"error": ""}, {"error": "RecursionError"}]
    assert claim_rules.deeper(bad, fine) == "confirmed"
    assert claim_rules.deeper(fine, fine) == "not separable"
    assert claim_rules.deeper(bad, bad) == "less than claimed"


def test_the_registry():
    registry = claim_registry.load()
    assert len(registry.claims) >= 25 and len(registry.sources) >= 10
    assert {claim.rule for claim in registry.claims} == set(claim_registry.RULES) == set(LOOK)
    described = interpreters.resolve(sys.executable, {}).described
    assert tuple(builds.traits(described)) == builds.TRAITS
    head = claim_registry.PATH.read_text().partition("\n[sources")[0]
    for word in (*claim_registry.RULES, *claim_registry.ALWAYS, *claim_registry.SOMETIMES):
        assert word in head, f"the head of claims.toml does not describe {word}"


FILE = """
[sources.s]
name = "somebody"
[topics]
t = "Things"
[[claims]]
id = "one"
source = "s"
topic = "t"
about = "nodes"
quote = "fewer"
workload = "names"
rule = "nodes"
engine = "tape"
above = 0
"""
SECOND = FILE[FILE.index("[[claims]]") :]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('engine = "tape"', 'engine = "tapes"', r"claim 1 \(one\): no engine 'tapes': did you mean 'tape'\?"),
        ('rule = "nodes"', 'rule = "node"', r"\(one\): no rule 'node': choose from speedup, nodes"),
        ('quote = "fewer"\n', "", r"\(one\) lacks the key quote"),
        ('engine = "tape"\n', "", r"\(one\) lacks the key engine, which the rule nodes needs"),
        ("above = 0\n", f"above = 0\n{SECOND}", r"claim 2 has the id 'one' of another one"),
        ("above = 0\n", "", r"needs one of the keys claimed and above, and has none"),
        (
            "above = 0\n",
            "above = 0\nclaimed = 2\n",
            r"needs one of the keys claimed and above, and has claimed and above",
        ),
        ("above = 0\n", "claimed = [3, 2]\n", r"claimed is \[3, 2\]: give a number from 0 on"),
        ("above = 0\n", "claimed = nan\n", r"claimed is nan: give a number from 0 on"),
        ("above = 0\n", 'above = "much"\n', r"above is 'much': give a number from 0 on"),
        ("above = 0\n", "above = 0\nover = 1\n", r"over is 1, not a line of text"),
        ("above = 0\n", 'above = 0\nover = "tape"\n', r"unknown key 'over': did you mean"),
        ('quote = "fewer"', f'quote = "{"very " * 25}"', r"the quote has 125 characters: quote at most 120"),
        ('quote = "fewer"', 'quote = """a\nb"""', r"quote is 'a\\nb', not a line of text"),
        ('source = "s"', 'source = "z"', r"no source 'z': choose from s"),
        ('id = "one"', 'id = "One!"', r"the id 'One!' is not of small letters"),
        ("[[claims]]", "[claims.x]", r"has no claims: write \[\[claims\]\]"),
        ('name = "somebody"', 'nam = "somebody"', r"source s has an unknown key 'nam': did you mean 'name'\?"),
        (
            'name = "somebody"',
            'name = "x"\naddress = "ftp://x"',
            r"address is 'ftp://x': give one that starts with https",
        ),
        ("[topics]", '[sources.z]\nname = "x"\n[topics]', r"source z has no claim"),
        ("[topics]", "[topics", r"is not TOML"),
        ('rule = "nodes"\nengine = "tape"', 'rule = "untestable"\nwhy = "no"', r"claims no number: take out above"),
        (
            'rule = "nodes"\nengine = "tape"',
            'rule = "sums"\nway = "map"\nover_way = "list"',
            r"no way 'map': choose from",
        ),
        (
            'rule = "nodes"\nengine = "tape"',
            'rule = "runtimes"\nruntime = "a"\nbase = "b"\ndiffer = ["x"]',
            r"differ is \['x'\]: give a list of implementation",
        ),
    ],
)
def test_what_is_wrong_with_a_registry_is_one_line(bench_command, old, new, words):
    assert old in FILE
    pathlib.Path("mine.toml").write_text(FILE.replace(old, new, 1))
    done = bench_command("claims", "no-such-run", "--registry", "mine.toml")
    assert done.exit_code == 2 and done.stderr.count("\n") == 1 and "mine.toml" in done.stderr
    assert re.search(words, done.stderr), done.stderr


def registry_of(*claims):
    """A file with a claim for each dictionary of the keys of its rule."""
    text = FILE[: FILE.index("[[claims]]")]
    for number, keys in enumerate(claims):
        text += "[[claims]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
        text += f'id = "c{number}"\nsource = "s"\ntopic = "t"\nabout = "c{number}"\nquote = "x"\nworkload = "w"\n'
    pathlib.Path("mine.toml").write_text(text)
    return "mine.toml"


def cells(page, number):
    """Verdict, words and Pythons of the rows of a claim."""
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith(f"| c{number}: ")]
    return [[cell.strip() for cell in row[2:5]] for row in rows]


COMMITTED = [ROOT / "results" / name for name in ("default", "agreement/whole", "long")]
NAMED = {  # for each rule that a run settles: what is looked at, and about what it is
    "speedup": ({"engine": "fused_dot", "runtime": "cpython-3.14"}, 6.7),
    "nodes": ({"engine": "direct_division"}, 0.0019),
    "memory": ({"engine": "reference", "over": "unslotted"}, 0.133),
    "collector": ({"engine": "reference"}, 1.52),
    "ms_per_step": ({"engine": "compiled", "runtime": "cpython-3.14"}, 1.62),
    "runtimes": ({"runtime": "cpython-3.11", "base": "cpython-3.10"}, 1.22),
    "peer": ({"peer": "realies-c", "over_peer": "microgpts-rust"}, 2.1),
    "sums": ({"way": "list", "over_way": "generator"}, 1.15),
    "parameters": ({"option": "tied"}, 432),
}


def test_each_rule_compares_what_it_says():
    claims = []
    for rule, (keys, value) in NAMED.items():
        for bounds in ([value / 2, value * 2], [0, value / 2], [value * 2, value * 3]):
            claims.append({"rule": rule, **keys, "claimed": bounds})
    page = bench.claims(*COMMITTED, peers=ROOT / "results" / "peers", registry=registry_of(*claims))
    for number, claim in enumerate(claims):
        expected = ("confirmed", "more than claimed", "less than claimed")[number % 3]
        if claim["rule"] == "ms_per_step" and number % 3:
            expected = ("less than claimed", "more than claimed")[number % 3 - 1]  # a shorter time is more
        assert {row[0] for row in cells(page, number)} == {expected}, (claim, cells(page, number))


def test_what_no_run_has_and_builds_that_are_not_alike():
    claims = [
        {"rule": "runtimes", "runtime": "cpython-3.14", "base": "cpython-3.10", "claimed": 1.7},
        {
            "rule": "runtimes",
            "runtime": "pypy-3.11",
            "base": "cpython-3.11",
            "differ": ["implementation"],
            "claimed": 3,
        },
        {"rule": "runtimes", "runtime": "cpython-3.14t", "base": "cpython-3.14", "needs": "a build", "above": 0.5},
        {"rule": "peer", "peer": "mojo", "claimed": 100},
        {"rule": "untestable", "why": "it is a dream"},
        {"rule": "speedup", "engine": "torch", "runtime": "cpython-3.15", "above": 1},
    ]
    page = bench.claims(ROOT / "results" / "default", registry=registry_of(*claims))
    assert cells(page, 0) == [["not testable here", "cpython-3.14 is not built like cpython-3.10: GCC 16.2.0, -O2", ""]]
    assert cells(page, 1) == [["no run here has it", "", ""]]
    assert "run --engine reference --python 3.11 --python pypy3.11" in page
    assert cells(page, 2) == [["not testable here", "needs a build", ""]] and "--python 3.14t" in page
    assert cells(page, 3)[0][0] == "no run here has it" and r"\[peers.mojo\]" in page
    assert cells(page, 4) == [["not testable here", "it is a dream", ""]]
    assert cells(page, 5)[0][0] == "no run here has it" and "--engine torch --python 3.15" in page
    assert "| no run here has it | 3 " in page and "| not testable here  | 3 " in page
    with pytest.raises(bench.UsageError, match="give one or more"):
        bench.claims()


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


def test_sums_are_done_each_way():
    answers = experiments.sums("dot")
    assert len(answers) == experiments.REPEATS and all(set(one) == set(experiments.WAYS) for one in answers)
    assert len({way((1.0, 2.0), (3.0, 0.5)) for way in experiments.WAYS.values()}) == 1


def test_the_page_of_a_run(small_run, bench_command):
    done = small_run(*(word for name in ENGINES for word in ("--engine", name)))
    assert done.exit_code == 0, done.output
    done = bench_command("claims", "small")
    assert done.exit_code == 0, done.output
    page = pathlib.Path("results/claims.md").read_text()
    for words in ("20-30%", "better numerical stability", "recursion depth", "phantom", "8 times", "### Sources"):
        assert words in page
    assert page.count("less than claimed") >= 2 and page.count("confirmed") >= 5
    experiments_file = pathlib.Path("results/small/claims.json")
    kept = experiments_file.read_bytes()
    assert bench_command("claims", "small", "--output", "again.md").exit_code == 0
    assert pathlib.Path("again.md").read_text() == page and experiments_file.read_bytes() == kept
    experiments_file.write_text("{")
    done = bench_command("claims", "small")
    assert done.exit_code == 2 and "damaged" in done.stderr
    assert bench_command("claims", "small", "--again").exit_code == 0
    older = json.loads(experiments_file.read_text())
    for about in older["runtimes"].values():
        del about["sums"]  # a file from before there were any
    experiments_file.write_text(json.dumps(older))
    assert bench_command("claims", "small").exit_code == 0
    assert "microgpt-bench claims RUN --again" in pathlib.Path("results/claims.md").read_text()


def test_what_cannot_be_judged(small_run, bench_command):
    assert small_run("--engine", "tape").exit_code == 0
    assert bench_command("claims", "small").exit_code == 0
    page = pathlib.Path("results/claims.md").read_text()
    assert "microgpt-bench run --engine direct_division" in page
    shutil.rmtree("results/small/rounds")
    done = bench_command("claims", "small")
    assert done.exit_code == 2 and "no finished round" in done.stderr
    assert pathlib.Path("results/claims.md").read_text() == page
    assert bench_command("claims").exit_code == 2
    assert bench_command("claims", "small", "--peers", "nobody").exit_code == 2
    assert bench_command("claims", "small", "nobody").exit_code == 2


def test_an_interpreter_that_fails(tmp_path):
    runtime = interpreters.resolve(sys.executable, {})
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no luck >&2\nexit 3\n")
    broken.chmod(0o755)
    runtime = type(runtime)(**{**runtime.__dict__, "executable": str(broken)})
    with pytest.raises(Exception, match="cannot run the experiments: no luck"):
        asking.experiment(runtime)
