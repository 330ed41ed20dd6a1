"""Parts of a run, measured apart, and runs of several machines as one; what does not fit is refused in one line."""

import json
import shutil
import sys

import pytest

import bench
from tests.host.conftest import SMALL


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """The folder of three runs of two engines, parts of six rounds, each as if measured on a machine of its own."""
    folder = tmp_path_factory.mktemp("parts")
    (folder / "documents.txt").write_text("ab\na\ncabbage\nbead\ndecade\nb\n")
    config = bench.Config(n_embd=8, n_head=2, block_size=6)
    for number in (1, 2, 3):
        bench.measure(
            ["reference", "fused_dot"], [sys.executable], data=str(folder / "documents.txt"), config=config, steps=2,
            rounds=6, part=f"{number}/3", min_time=0.001, results=folder / "results", name=f"part{number}",
        )  # fmt: skip
        change(
            folder / "results" / f"part{number}" / "run.json",
            machine={"identity": f"{number}", "cpu": f"Processor {number}"},
        )
    return folder


@pytest.fixture
def results(parts, tmp_path):
    """Their copy, which a test may change."""
    shutil.copytree(parts / "results", tmp_path / "results")
    return tmp_path / "results"


def change(path, **fields):
    """Replace fields of a JSON file, those of tables one by one."""
    content = json.loads(path.read_text())
    for name, value in fields.items():
        if isinstance(value, dict):
            content[name].update(value)
        else:
            content[name] = value
    path.write_text(json.dumps(content))


def times(path, engine, factor):
    """Make an engine's times in all rounds of a run so many times as long."""
    for file in (path / "rounds").glob("*.json"):
        content = json.loads(file.read_text())
        for name, cell in content["cells"].items():
            if name.startswith(engine):
                for field in ("nanoseconds", "cpu_nanoseconds", "delay_nanoseconds"):
                    cell[field] = [value * factor for value in cell[field]]
        file.write_text(json.dumps(content))


def test_parts_are_joined(results, bench_command):
    done = bench_command("merge", "part1", "part2", "part3", "--name", "all")
    assert done.exit_code == 0, done.output
    run = bench.load_run("all")
    assert len(run.rounds) == 6 and run.record.plan.rounds == 6 and run.record.merged == ["part1", "part2", "part3"]
    assert [entry.machine["identity"] for entry in run.rounds] == ["1", "1", "2", "2", "3", "3"]
    (runtime,) = run.record.runtimes
    about = run.across("fused_dot", runtime)
    assert about.ratio == run.speedup("fused_dot", runtime) and list(about.machines) == [
        "machine 1",
        "machine 2",
        "machine 3",
    ]
    for number, own in enumerate(about.machines.values(), 1):
        assert own == bench.load_run(f"part{number}").speedup("fused_dot", runtime)
    for number in (1, 2, 3):
        assert f"machine {number}: Processor {number}" in done.stdout
    assert f"{runtime}: speedup by machine" in done.stdout and "differ by" in done.stdout
    assert bench_command("show", "all").stdout == done.stdout
    assert (results / "all" / "tables.md").is_file() and list((results / "all" / "timings").glob("*.json"))
    assert {row["machine"] for row in run.steps()} == set(about.machines)
    assert not [path for path in results.iterdir() if path.name.startswith(".")]


def test_parts_have_rounds_of_their_own(parts):
    orders = set()
    for number in (1, 2, 3):
        plan = bench.load_run(f"part{number}", results=parts / "results").record.plan
        assert plan.part == [number, 3] and plan.rounds == 2
        orders |= {plan.planned(1), plan.planned(2)}
    assert orders == {1, 2, 3, 4, 5, 6}


def test_faster_on_one_machine_and_slower_on_another_is_not_averaged_away(results, bench_command):
    for number, factor in ((1, 0.001), (2, 1000), (3, 1000)):
        times(results / f"part{number}", "fused_dot", factor)
    done = bench_command("merge", "part1", "part2", "part3", "--name", "all")
    assert "to" in done.stdout and "(≠)" in done.stdout
    assert "fused_dot (≠): faster than the reference on machine 1, slower on machine 2, machine 3" in done.stdout


def test_merged_runs_are_compared_reported_and_merged_again(results, bench_command):
    bench.merge(["part1", "part2"], name="two")
    assert "part 3 of 3 is missing" in bench_command("show", "two").stdout
    bench.merge(["two", "part3"], name="all")
    assert len(bench.load_run("all").machines) == 3
    assert "machine" in bench.load_run("two").rounds[0].__dict__
    done = bench_command("compare", "two", "all", "--allow-mismatch")
    assert done.exit_code == 0 and "different machines" in done.stdout and "count together" in done.stdout
    assert bench_command("run", "--resume", "results/all").exit_code == 2
    page = pytest.importorskip("vl_convert") and bench.report(bench.load_run("all"))
    assert "machine 3: Processor 3" in page


def test_rounds_of_one_machine_have_today_s_interval(results):
    """Runs of one machine, joined, are one machine's: no level is made up."""
    change(results / "part2" / "run.json", machine={"identity": "1", "cpu": "Processor 1"})
    run = bench.merge(["part1", "part2"], name="same")
    (runtime,) = run.record.runtimes
    assert run.across("fused_dot", runtime) is None and list(run.machines.values()) == [run]
    assert run.speedup("fused_dot", runtime).rounds == 4 and "by machine" not in bench.render(run)


WRONG = [
    ({"workload": {"sha256": "0"}}, "different data"),
    ({"workload": {"config": {"n_embd": 4}}}, "different models: n_embd is 8 and 4"),
    ({"plan": {"gc": "off"}}, "differ in --gc, on and off"),
    ({"plan": {"turn_seconds": 0.5}}, "differ in --min-time"),
    ({"plan": {"part": [2, 4]}}, "is a part of 3 and"),
    ({"plan": {"part": [1, 3]}}, "are both part 1/3"),
    ({"source_sha256": "0"}, "different versions"),
]


@pytest.mark.parametrize(("fields", "words"), WRONG, ids=[words for _, words in WRONG])
def test_what_does_not_fit_is_refused(results, bench_command, fields, words):
    path = results / "part2" / "run.json"
    content = json.loads(path.read_text())
    if "config" in fields.get("workload", {}):
        fields = {"workload": {"config": {**content["workload"]["config"], **fields["workload"]["config"]}}}
    change(path, **fields)
    refused(bench_command("merge", "part1", "part2", "--name", "all"), words, results)


def test_other_engines_builds_and_rounds_are_refused(results, bench_command):
    path = results / "part2" / "run.json"
    content = json.loads(path.read_text())
    (runtime,) = content["runtimes"]
    content["runtimes"][runtime]["described"]["compiler"] = "another"
    path.write_text(json.dumps(content))
    refused(bench_command("merge", "part1", "part2", "--name", "all"), f"{runtime} is not the same build", results)
    content["runtimes"]["renamed"] = content["runtimes"].pop(runtime)
    content["engines"]["fused_dot"]["source_sha256"] = "0"
    path.write_text(json.dumps(content))
    refused(
        bench_command("merge", "part1", "part2", "--name", "all"), "different files of the engine fused_dot", results
    )
    content["engines"].pop("fused_dot")
    path.write_text(json.dumps(content))
    refused(bench_command("merge", "part1", "part2", "--name", "all"), "the engine fused_dot", results)
    shutil.copytree(results / "part3", results / "again")
    change(results / "again" / "run.json", plan={"part": None})
    refused(bench_command("merge", "part3", "again", "--name", "all"), "is the same as round 1", results)
    refused(bench_command("merge", "part3", "part3", "--name", "all"), "both part 3/3", results)
    refused(bench_command("merge", "part3", "--name", "all"), "two runs or more", results)
    refused(bench_command("merge", "part1", "part3", "--name", "part1"), "exists already", results)
    refused(bench_command("merge", "part1", "part3", "--name", "all", "--base", "x"), "no runtime x", results)
    refused(bench_command("merge", "part1", "none", "--name", "all"), "none is not a run", results)


def refused(done, words, results):
    assert done.exit_code == 2 and words in done.stderr and done.stderr.count("\n") == 1, done.output
    assert not (results / "all").exists()


@pytest.mark.parametrize(
    ("part", "words"), [("3/2", "write K/N"), ("0/2", "write K/N"), ("x", "write K/N"), ("1/9", "at least 9")]
)
def test_a_part_that_there_is_not(bench_command, documents, tmp_path, part, words):
    done = bench_command(
        "run", "--part", part, "--python", sys.executable, "--data", documents, *SMALL, "--engine", "reference"
    )
    assert done.exit_code == 2 and words in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "results").exists()
