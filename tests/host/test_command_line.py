"""The command line end to end, used right and used wrong."""

import ast
import json
import math
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import pyperf
import pytest

from bench.cli import main
from bench.host.results import precision, store
from bench.host.system import progress
from bench.workload import model_file
from tests.host.conftest import SMALL, engine_file

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_run_show_and_every_format(small_run, bench_command):
    done = small_run("--engine", "fused_dot", "--engine", "tape")
    assert done.exit_code == 0, done.output
    assert "bit-identical" in done.stdout and "fused_dot" in done.stdout and "3 steps from all over" in done.stdout
    folder = pathlib.Path("results/small")
    assert {path.name for path in folder.iterdir()} == {"run.json", "rounds", "timings", "tables.md"}
    run = store.load(folder)
    assert len(run.rounds) == 2
    (runtime,) = run.record.runtimes
    assert run.seconds(("fused_dot", runtime)).shape == (2, 3)
    assert run.nodes("fused_dot") < run.nodes("reference")
    for style in ("plain", "github", "html", "json"):
        shown = bench_command("show", "small", "--format", style)
        assert shown.exit_code == 0
        assert "fused_dot" in shown.stdout
        if style == "json":
            assert json.loads(shown.stdout)["good"] is True
    assert bench_command("show", "latest").stdout == bench_command("show", folder).stdout


@pytest.mark.parametrize("command", ["run", "train", "generate"])
def test_the_datasets_are_listed(bench_command, command):
    done = bench_command(command, "--data", "list")
    assert done.exit_code == 0
    for name in ("birds", "cities", "colours", "dinosaurs", "given_names", "minerals", "trees"):
        assert re.search(rf"^{name} +[\d,]{{3,}} ", done.stdout, re.MULTILINE)
    assert "abcdefghijklmnopqrstuvwxyz" in done.stdout
    assert not pathlib.Path("results").exists()


def test_train_saves_and_generate_draws(bench_command, documents):
    sizes = ["--n-embd", "8", "--n-head", "2", "--block-size", "6", "--data", documents]
    held = ["--validation-split", "0.4", "--validate-every", "2", "--timing"]
    done = bench_command("train", "--engine", "vector", "--steps", "4", "--save", "m.json", *sizes, *held)
    assert done.exit_code == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("step")]
    assert all(" ms" in line for line in lines)
    assert ["validation" in line for line in lines] == [False, True, False, True]
    kept = pathlib.Path("m.json").read_bytes()
    again = bench_command("train", "--engine", "vector", "--steps", "4", "--save", "m.json", *sizes)
    assert again.exit_code == 2 and "exists already" in again.stderr
    assert pathlib.Path("m.json").read_bytes() == kept
    drawn = bench_command("generate", "--model", "m.json", "--prefix", "ca", "--top-k", "5", "--samples", "6")
    assert drawn.exit_code == 0 and len(drawn.stdout.splitlines()) == 6
    assert all(line.startswith("ca") for line in drawn.stdout.splitlines())
    assert (
        bench_command("generate", "--model", "m.json", "--prefix", "ca", "--top-k", "5", "--samples", "6").stdout
        == drawn.stdout
    )
    preset = ["--preset", "optimized", "--validation-split", "0.4", "--validate-every", "2", "--save", "o.json"]
    optimized = bench_command("train", "--engine", "vector", "--steps", "2", *sizes, *preset)
    assert optimized.stdout.count(" ms") == 2 and optimized.stdout.count("validation") == 1
    assert json.loads(pathlib.Path("o.json").read_text())["config"]["top_k"] == 5
    seeded = bench_command("generate", "--model", "m.json", "--seed", "7", "--samples", "30")
    assert seeded.stdout != bench_command("generate", "--model", "m.json", "--samples", "30").stdout
    traced = bench_command("generate", "--model", "m.json", "--trace", "--samples", "1", "--greedy")
    assert traced.exit_code == 0 and "probability" in traced.stdout and "%" in traced.stdout
    trained = bench_command("generate", "--steps", "2", "--samples", "3", "--prefix", "b", *sizes)
    assert trained.exit_code == 0 and len(trained.stdout.splitlines()) == 3


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["generate", "--prefix", "K"], "character 'K'"),
        (["generate", "--top-k", "0"], "top_k is 0"),
        (["generate", "--temperature", "0"], "temperature is 0.0"),
        (["train", "--temperature", "-1"], "temperature is -1.0"),
        (["generate", "--greedy", "--top-k", "3"], "--greedy draws no random numbers, so --top-k"),
        (["generate", "--model", "m.json", "--steps", "3"], "--steps is a training option"),
        (["generate", "--model", "m.json"], "cannot read m.json"),
        (["train", "--validation-split", "0.9999"], "leaves 0 of 2937 documents to train on"),
        (["train", "--validate-every", "3"], "validate_every needs held-out documents"),
        (["train", "--gaussian", "trigonometric"], "works only with rng mulberry32"),
        (["train", "--clip-norm", "-1"], "clip_norm is -1.0"),
        (["train", "--model", "rnn"], "'rnn' is not one of"),
        (["train", "--model", "bigram", "--n-head", "2"], "--n-head has no effect on the model bigram"),
        (["train", "--model", "mlp_manual", "--engine", "tape"], "--engine has no effect on the model mlp_manual"),
        (["train", "--model", "mlp", "--clip-norm", "1"], "--clip-norm has no effect on the model mlp"),
        (["train", "--model", "mlp", "--save", "m.json"], "--save has no effect on the model mlp"),
        (["train", "--optimizer", "sgd"], "the gpt trains by adam"),
        (["ladder", "--data", "few.txt"], "few.txt has 2 documents, but 200 are held out"),
        (["ladder", "--data", "nowhere.txt"], "cannot read the dataset nowhere.txt"),
    ],
)
def test_training_and_drawing_used_wrong(bench_command, arguments, said):
    pathlib.Path("few.txt").write_text("ab\nb\n")
    done = bench_command(*arguments)
    assert done.exit_code == 2
    assert said in done.stderr and done.stderr.strip().count("\n") == 0


def test_the_ladders_models_train_on_the_command_line(bench_command, documents):
    for model in ("bigram", "mlp_manual", "mlp", "attention", "multi_head"):
        extra = ["--optimizer", "sgd"] if model != "bigram" else []
        done = bench_command("train", "--model", model, "--data", documents, "--steps", "3", "--samples", "2", *extra)
        assert done.exit_code == 0, done.output
        assert len([line for line in done.stdout.splitlines() if line.startswith(("step", "sample"))]) == 5


def test_the_ladders_page(bench_command, documents):
    pathlib.Path("many.txt").write_text("".join(f"{a}{b}{c}\n" for a in "abcdef" for b in "abcdef" for c in "abcdefgh"))
    done = bench_command("ladder", "--data", "many.txt", "--steps", "5", "--output", "ladder.md")
    assert done.exit_code == 0, done.output
    page = pathlib.Path("ladder.md").read_text()
    rows = [line.split("|") for line in page.splitlines() if line.startswith("| ")][1:]
    by_name = {(row[1].strip(), row[2].strip()): [cell.strip() for cell in row] for row in rows}
    assert len(by_name) == 10
    assert by_name["mlp_manual", "sgd"][3:6] == by_name["mlp", "sgd"][3:6]
    assert by_name["mlp_manual", "adam"][3:6] == by_name["mlp", "adam"][3:6]


def test_training_options_are_in_the_run_and_the_preset_gives_way(small_run):
    extra = ["--preset", "optimized", "--validation-split", "0.2", "--validate-every", "2", "--untied"]
    done = small_run("--from-start", "--engine", "vector", "--engine", "tape", *extra)
    assert done.exit_code == 0, done.output
    assert "training options: schedule cosine" in done.stdout
    run = store.load(pathlib.Path("results/small"))
    config = run.record.workload.config
    assert config["clip_norm"] == 1.0 and "tied" not in config
    assert all(len(cell.validations) == 1 for entry in run.rounds for cell in entry.cells.values())


def test_timings_are_pyperfs(small_run):
    assert small_run("--engine", "fused_dot").exit_code == 0
    (path,) = pathlib.Path("results/small/timings").glob("*.json")
    suite = pyperf.BenchmarkSuite.load(str(path))
    assert suite.get_benchmark_names() == ["reference", "fused_dot"]
    for command in ("stats", "hist", "show"):
        done = subprocess.run([sys.executable, "-m", "pyperf", command, str(path)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    done = subprocess.run(
        [sys.executable, "-m", "pyperf", "compare_to", str(path), str(path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_compare(small_run, bench_command, documents):
    assert small_run("--engine", "tape").exit_code == 0
    assert small_run("--engine", "tape", "--name", "other").exit_code == 0
    done = bench_command("compare", "small", "other")
    assert done.exit_code == 0 and "small cpython" in done.stdout and "geometric mean" in done.stdout
    assert small_run("--engine", "tape", "--name", "longer", "--seed", "7").exit_code == 0
    refused = bench_command("compare", "small", "longer")
    assert refused.exit_code == 2 and "different workloads" in refused.stderr
    assert "NOT LIKE WITH LIKE" in bench_command("compare", "small", "longer", "--allow-mismatch").stdout
    assert "has no runtime x" in bench_command("compare", "small:x", "other").stderr


def column(text, head, row):
    """A cell of the first table that has this column."""
    lines = iter(text.splitlines())
    heads = next(re.split(r"\s{2,}", line) for line in lines if head in re.split(r"\s{2,}", line))
    cells = next(re.split(r"\s{2,}", line) for line in lines if line.startswith(f"{row} "))
    return cells[heads.index(head)]


def test_speedups_over_a_parent_and_over_any_engine(small_run, bench_command):
    """Of the engine itself 1, of the reference over it the reciprocal, and as the library says."""
    assert small_run("--engine", "fused_dot", "--engine", "combined").exit_code == 0
    run = store.load(pathlib.Path("results/small"))
    (runtime,) = run.record.runtimes
    shown = bench_command("show", "small", "--over", "fused_dot").stdout
    assert column(shown, "over fused_dot", "fused_dot") == "1"
    ratio = run.speedup("reference", runtime, over="fused_dot")
    assert column(shown, "over fused_dot", "reference").startswith(f"{ratio.value:.2f} [")
    assert "time of fused_dot / time of the engine" in shown
    shown = bench_command("show", "small", "--over", "parent").stdout
    assert column(shown, "parent", "combined") == "fused_dot" and column(shown, "parent", "reference") == "–"
    ratio = run.speedup("combined", runtime, over="fused_dot")
    assert column(shown, "over its parent", "combined").startswith(f"{ratio.value:.2f} [")
    row = bench_command("show", "small", "--over", f"fused_dot on {runtime}", "--headline").stdout
    assert f"Speedup over fused_dot on {runtime}" in row
    combined = next(line for line in row.splitlines() if line.startswith("combined"))
    assert f" {ratio.value:.2f}±" in combined


def test_compare_over_a_base_cancels_what_slows_the_whole_machine(small_run, bench_command):
    """A run all of whose times are doubled is half as fast, and each of its engines over another one as fast as before."""
    assert small_run("--engine", "tape", "--engine", "fused_dot").exit_code == 0
    shutil.copytree("results/small", "results/twice")
    for path in pathlib.Path("results/twice/rounds").glob("*.json"):
        entry = json.loads(path.read_text())
        for name, cell in entry["cells"].items():
            for clock in ("nanoseconds", "cpu_nanoseconds"):
                cell[clock] = [(6 if name.startswith("tape") else 2) * ns for ns in cell[clock]]
        path.write_text(json.dumps(entry))
    plain = bench_command("compare", "small", "twice").stdout
    assert column(plain, "speedup [95 % interval]", "fused_dot").startswith("0.500 ")
    done = bench_command("compare", "small", "twice", "--over", "reference")
    assert done.exit_code == 0, done.output
    head = "second / first [95 % interval]"
    assert column(done.stdout, head, "fused_dot").startswith("1.000 ")
    assert column(done.stdout, head, "tape").startswith("0.333 ")
    assert "over the reference: first" in done.stdout and "reference  " not in done.stdout.split("\n", 3)[3]
    parents = bench_command("compare", "small", "twice", "--over", "parent")
    assert column(parents.stdout, head, "tape").startswith("0.333 ")


def test_a_base_that_there_is_not_is_refused_in_a_line(small_run, bench_command):
    assert small_run("--engine", "tape").exit_code == 0
    (runtime,) = store.load(pathlib.Path("results/small")).record.runtimes
    for words, said in (
        (("show", "small", "--over", "nothing"), "no engine 'nothing' in small: choose from parent, reference, tape"),
        (("show", "small", "--over", "tape on x"), f"no runtime 'x' in small: choose from {runtime}"),
        (("show", "small", "--headline", "--base", runtime), "give only one of them"),
        (("compare", "small", "small", "--over", "tape"), "small twice"),
    ):
        done = bench_command(*words)
        assert (done.exit_code, done.stdout) == (2, "") and said in done.stderr and done.stderr.count("\n") == 1
    run = pyperf.Run([1.0, 1.0], metadata={"name": "tape"}, collect_metadata=False)
    pyperf.BenchmarkSuite([pyperf.Benchmark([run])]).dump("times.json")
    done = bench_command("compare", "times.json", "times.json", "--over", "tape")
    assert done.exit_code == 2 and "--over is for two runs" in done.stderr


def test_compare_takes_the_clock_that_ratios_are_made_of(small_run, bench_command):
    """A run whose workers waited three times as long is no slower by the processor's clock."""
    assert small_run("--engine", "tape").exit_code == 0
    shutil.copytree("results/small", "results/waited")
    for path in pathlib.Path("results/waited/rounds").glob("*.json"):
        entry = json.loads(path.read_text())
        for cell in entry["cells"].values():
            cell["nanoseconds"] = [3 * ns for ns in cell["nanoseconds"]]
        path.write_text(json.dumps(entry))

    def speeds():
        done = bench_command("compare", "small", "results/waited/run.json")
        lines = [line.split() for line in done.stdout.splitlines() if line.startswith(("tape", "reference"))]
        return done.stdout, [words[1] for words in lines]

    text, found = speeds()
    assert "in processor time" in text and found == ["1.000", "1.000"]
    path = pathlib.Path("results/waited/run.json")
    path.write_text(path.read_text().replace('"clock": "cpu"', '"clock": "wall"'))
    text, found = speeds()
    assert "in time passed" in text and found == ["0.333", "0.333"]


def test_compare_refuses_unequal_samples_and_what_is_no_time(small_run, bench_command):
    assert small_run("--engine", "tape").exit_code == 0
    shutil.copytree("results/small", "results/shorter")
    pathlib.Path("results/shorter/rounds/002.json").unlink()
    refused = bench_command("compare", "small", "shorter")
    assert refused.exit_code == 2 and "different numbers of rounds, 2 and 1" in refused.stderr
    marked = bench_command("compare", "small", "shorter", "--allow-mismatch").stdout
    assert "NOT LIKE WITH LIKE: different numbers of rounds" in marked and "[one round]" in marked
    memory = pyperf.Benchmark([pyperf.Run([4096], metadata={"name": "tape", "unit": "byte"}, collect_metadata=False)])
    pyperf.BenchmarkSuite([memory]).dump("memory.json")
    refused = bench_command("compare", "memory.json", "memory.json")
    assert refused.exit_code == 2 and "holds tape in bytes" in refused.stderr


def test_one_round_is_said_to_have_no_interval(small_run):
    done = small_run("--engine", "fused_dot", "--rounds", 1, "--env", "PYTHONHASHSEED=0")
    assert "[one round]" in done.stdout and "±?" in done.stdout and "(=)" not in done.stdout
    assert "no interval can be made of one round" in done.stdout


def test_a_run_is_never_overwritten(small_run):
    assert small_run("--engine", "reference").exit_code == 0
    before = {path: path.read_bytes() for path in pathlib.Path("results").rglob("*") if path.is_file()}
    again = small_run("--engine", "reference")
    assert (again.exit_code, again.stdout) == (2, "")
    assert "exists already" in again.stderr
    assert before == {path: path.read_bytes() for path in pathlib.Path("results").rglob("*") if path.is_file()}


WRONG_BACKWARD = """
def half(loss):
    BASE.backward(loss)
    for row in GRADS: row.grad *= 0.5
GRADS = []
def matrix(rows):
    made = BASE.matrix(rows)
    GRADS.extend(p for row in made for p in row)
    return made
ENGINE = replace(backward=half, matrix=matrix)
"""


WRONG_LAST_UPDATE = """
def optimizer(matrices, *settings):
    made = BASE.optimizer(matrices, *settings)
    right = made.update
    def update(t, *rest):
        right(t, *rest)
        matrices[0][0][0].data += 1e-6 * (t == 3)
    made.update = update
    return made
ENGINE = replace(optimizer=optimizer)
"""


@pytest.mark.parametrize(
    "text, status, words",
    [
        (WRONG_LAST_UPDATE, "diverged", "off by 1."),  # in the steps that lead in
        (WRONG_BACKWARD, "diverged", "gradient of wte off by 5.0e-01"),  # Adam hides it from the losses
        ("ENGINE = replace(relu=lambda x: [xi.relu() * 1.000001 for xi in x])", "diverged", "off by"),
        ("def dies(*_):\n    os._exit(3)\nENGINE = replace(mean=dies)", "failed", "exit status 3"),
        (
            "def raises(*_):\n    raise ValueError('no good')\nENGINE = replace(mean=raises)",
            "failed",
            "ValueError: no good",
        ),
        ("def hangs(*_):\n    time.sleep(60)\nENGINE = replace(mean=hangs)", "failed", "no answer within 10 s"),
        ("ENGINE = replace(mean=lambda losses: BASE.value(float('nan')))", "diverged", "off by"),
        ("print('hello')\nENGINE = replace(summary='prints')", "ok", ""),
        ("ENGINE = replace(unavailable='the moon is not full: wait')", "skipped", "the moon is not full: wait"),
    ],
)
def test_an_engine_that_goes_wrong_does_not_spoil_the_others(small_run, tmp_path, text, status, words):
    path = engine_file(tmp_path, "mine", text)
    limit = ["--timeout", "10s"] if "hangs" in text else []
    done = small_run("--engine", "fused_dot", "--engine", path, *limit)
    run = store.load(pathlib.Path("results/small"))
    (runtime,) = run.record.runtimes
    assert run.status(("mine", runtime))[0] == status, run.status(("mine", runtime))
    assert words in run.status(("mine", runtime))[1]
    assert run.status(("fused_dot", runtime)) == ("ok", "")
    assert done.exit_code == (0 if status in ("ok", "skipped") else 1)
    row = next((line for line in done.stdout.splitlines() if line.startswith("mine  ")), "")
    if status == "diverged":
        assert "DIVERGED" in row and "." not in row  # no speed
    if status == "failed":
        assert "failed" in row and "." not in row


def test_a_broken_promise_fails_the_run(small_run, tmp_path):
    """An engine that says it keeps the bits, and whose losses are one bit too large."""
    text = "ENGINE = replace(mean=lambda losses: BASE.mean(losses) * (1 + 2**-52))"
    done = small_run("--engine", engine_file(tmp_path, "mine", text))
    run = store.load(pathlib.Path("results/small"))
    assert run.finding(("mine", next(iter(run.record.runtimes)))).parity == "rounding"
    assert done.exit_code == 1 and "broke its promise" in done.stdout


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["run", "--engine", "fusd_dot"], "no engine 'fusd_dot': did you mean 'fused_dot'?"),
        (["run", "--engine", "nowhere.py"], "no engine file nowhere.py"),
        (["run", "--python", "3.99"], "no interpreter 3.99 found"),
        (["run", "--python", "./nothing"], "cannot run"),
        (["run", "--python", "/bin/true"], "does not work as a Python interpreter"),
        (["run", "--python", "nonsense"], "no such interpreter 'nonsense'"),
        (["run", "--data", "missing.txt"], "cannot read the dataset missing.txt"),
        (["run", "--steps", "0"], "0 is not in the range x>=1"),
        (["run", "--steps", "-3"], "-3 is not in the range x>=1"),
        (["run", "--rounds", "many"], "'many' is not a whole number"),
        (["run", "--n-embd", "10"], "n_embd 10 does not divide into 4 heads"),
        (["run", "--n-embd", "100000000"], "parameters is too large"),
        (["train", "--n-layer", "1000000000"], "parameters is too large"),
        (["run", "--budget", "soon"], "'soon' is not a duration"),
        (["run", "--name", "a/b"], "cannot name a folder on every system"),
        (["run", "--base", "cpython-2.7", "--python", sys.executable], "no runtime cpython-2.7 in this run"),
        (["run", "--resume", "nowhere"], "nowhere is not a run"),
        (["run", "--frobnicate"], "No such option"),
        (["show", "nowhere"], "nowhere is not a run"),
        (["show", "latest"], "no run in results yet"),
        (["train", "--steps", "0"], "0 is not in the range"),
        (["train", "--engine", "referense"], "did you mean 'reference'?"),
        (["train", "--temperature", "0"], "temperature is 0.0: it must be a finite number above 0"),
        (["fly"], "No such command 'fly'"),
    ],
)
def test_used_wrong_it_says_one_line_and_writes_nothing(bench_command, arguments, words):
    done = bench_command(*arguments)
    assert done.exit_code == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1 and done.stdout == ""
    assert not os.path.exists("results")


def test_a_dataset_that_is_no_text(bench_command, tmp_path):
    for raw, words in [(b"", "has no documents"), (b"a\n\xff\n", "is not UTF-8")]:
        (tmp_path / "bad.txt").write_bytes(raw)
        done = bench_command("run", "--data", "bad.txt", "--python", sys.executable)
        assert (done.exit_code, done.stdout) == (2, "")
        assert words in done.stderr
        assert not os.path.exists("results")


def test_a_results_folder_that_cannot_be_made(bench_command, documents):
    pathlib.Path("taken").write_text("a file")
    done = bench_command("run", "--data", documents, "--python", sys.executable, "--results", "taken")
    assert done.exit_code == 2
    assert "cannot write results" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "damage, words",
    [
        (lambda text: text[:200], "run.json is damaged"),
        (lambda text: text.replace('"schema": 1', '"schema": 99', 1), "has schema 99, from a newer microgpt-bench"),
        (lambda text: text.replace('"steps": 3', '"steps": "many"', 1), "run.json is damaged"),
        (lambda text: "[]", "run.json is damaged"),
    ],
)
def test_damaged_results(small_run, bench_command, damage, words):
    assert small_run("--engine", "reference").exit_code == 0
    path = pathlib.Path("results/small/run.json")
    path.write_text(damage(path.read_text()))
    done = bench_command("show", "small")
    assert (done.exit_code, done.stdout) == (2, "")
    assert words in done.stderr and done.stderr.count("\n") == 1


def test_interrupted_training_keeps_what_was_asked_for(documents):
    command = [
        sys.executable, "-m", "bench", "train", "--engine", "vector", "--data", documents,
        "--steps", "1000000", "--losses", "losses.txt", "--save", "model.json",
    ]  # fmt: skip
    with subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert any("step   20 /" in line for line in process.stdout)
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=300)
    assert process.returncode == 130 and "sample" not in said
    steps = len(pathlib.Path("losses.txt").read_text().splitlines())
    assert errors == f"interrupted after {steps} steps: saved in losses.txt and model.json\n"
    assert model_file.load("model.json").steps == steps >= 20


def test_interrupt_keeps_the_finished_rounds_and_resume_goes_on(bench_command, documents):
    command = [
        sys.executable, "-m", "bench", "run", "--python", sys.executable, "--data", documents, *SMALL,
        "--engine", "tape", "--steps", "3", "--rounds", "200", "--name", "long", "--budget", "1h",
    ]  # fmt: skip
    process = subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # where the tests run in a shell's background, Ctrl-C is ignored, and children inherit that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    rounds = pathlib.Path("results/long/rounds")
    deadline = time.monotonic() + 300
    while len(list(rounds.glob("0*.json"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "go on with: microgpt-bench run --resume results/long" in errors and "Traceback" not in errors
    kept = len(store.load(pathlib.Path("results/long")).rounds)
    assert kept >= 2
    # a smaller plan, so that going on ends soon
    path = pathlib.Path("results/long/run.json")
    path.write_text(path.read_text().replace('"rounds": 200', f'"rounds": {kept + 1}'))
    done = bench_command("run", "--resume", "results/long")
    assert done.exit_code == 0, done.output
    assert len(store.load(pathlib.Path("results/long")).rounds) == kept + 1


def test_resume_refuses_when_the_data_changed(small_run, bench_command, documents):
    assert small_run("--engine", "reference").exit_code == 0
    pathlib.Path(documents).write_text("other\n")
    done = bench_command("run", "--resume", "small")
    assert done.exit_code == 2
    assert "has changed since" in done.stderr


def test_the_budget_ends_a_run_between_rounds_or_in_one(bench_command, documents):
    options = ["--python", sys.executable, "--data", documents, *SMALL, "--engine", "reference", "--steps", 2]
    done = bench_command("run", *options, "--rounds", 1000, "--budget", "0.01s", "--name", "first")
    assert done.exit_code == 0 and "stopped after 1 of 1000 rounds: the next would pass the budget" in done.stderr
    assert len(store.load(pathlib.Path("results/first")).rounds) == 1
    done = bench_command("run", *options, "--rounds", 1000, "--budget", "1s", "--name", "short")
    assert done.exit_code == 0
    count = len(store.load(pathlib.Path("results/short")).rounds)
    assert 1 <= count < 1000
    # on a machine that gets busier a round takes longer than those before it
    between, within = f"stopped after {count} of 1000 rounds", f"used up in round {count + 1}, which is left out"
    assert (between in done.stderr) != (within in done.stderr), done.stderr


def test_the_time_left_is_never_more_than_the_budget(bench_command, documents, monkeypatch):
    monkeypatch.setattr(progress, "PLAIN_SECONDS", 0.2)
    options = ["--python", sys.executable, "--data", documents, *SMALL, "--engine", "reference", "--steps", 2]
    done = bench_command("run", *options, "--rounds", 1000, "--budget", "4s", "--name", "short")
    left = [int(seconds) for seconds in re.findall(r"about (\d+) s left", done.stderr)]
    assert done.exit_code == 0 and left and max(left) <= 4, done.stderr
    expected = [int(orders) for orders in re.findall(r"\d+/(\d+) orders", done.stderr)]
    assert max(expected) < 1000, done.stderr  # as many rounds would be thousands


@pytest.mark.parametrize("more", [[], ["--engine", "tape"]])
def test_without_rounds_a_run_ends_where_its_intervals_are_narrow(bench_command, documents, monkeypatch, more):
    """Of the reference alone there is no interval, so none is wide."""
    where = ["--python", sys.executable, "--data", documents, *SMALL, "--steps", 2]
    options = [*where, "--engine", "reference", *more]
    for name in ("MEDIAN", "LARGEST"):
        monkeypatch.setattr(precision, name, 10.0)
    done = bench_command("run", *options, "--name", "narrow")
    assert done.exit_code == 0 and "stopped after 5 rounds: the intervals are narrow, ±" in done.stderr, done.output
    assert len(store.load(pathlib.Path("results/narrow")).rounds) == 5
    done = bench_command("run", "--resume", "narrow")
    assert done.exit_code == 0 and "stopped after 5 rounds: the intervals are narrow, ±" in done.stderr
    assert len(store.load(pathlib.Path("results/narrow")).rounds) == 5


def test_without_rounds_a_run_goes_on_while_an_interval_is_wide(bench_command, documents, monkeypatch):
    options = [
        "--python",
        sys.executable,
        "--data",
        documents,
        *SMALL,
        "--steps",
        1,
        "--engine",
        "tape",
        "--from-start",
    ]
    monkeypatch.setattr(precision, "LARGEST", 0.0)
    done = bench_command("run", *options, "--name", "wide")
    run = store.load(pathlib.Path("results/wide"))
    assert done.exit_code == 0 and "stopped" not in done.stderr and len(run.rounds) == run.record.plan.rounds == 20
    assert "20 rounds, the most without --rounds, leave the intervals wide, ±" in done.stderr, done.stderr
    done = bench_command("run", *options, "--budget", "0.01s", "--name", "short")
    assert "stopped after 1 of 5 rounds: the next would pass the budget of 0 s" in done.stderr, done.stderr
    assert len(store.load(pathlib.Path("results/short")).rounds) == 1
    for given, rounds in ((["--rounds", 2], 2), (["--part", "2/3"], 2)):
        done = bench_command("run", *options, *given, "--name", "-".join(map(str, given)).strip("-").replace("/", "-"))
        assert done.exit_code == 0, done.output
        assert len(store.load(pathlib.Path(done.stderr.split("saved in ")[1].strip())).rounds) == rounds


def test_train_prints_the_lines_and_writes_the_losses(bench_command, documents):
    done = bench_command("train", "--data", documents, "--steps", 3, "--samples", 2, "--losses", "losses.txt")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[:2] == ["num docs: 6", "vocab size: 7"]
    losses = [float.fromhex(line) for line in pathlib.Path("losses.txt").read_text().splitlines()]
    assert [f"step {step:4d} / {3:4d} | loss {loss:.4f}" for step, loss in enumerate(losses, 1)] == lines[3:6]
    assert lines[6].startswith("sample  1: ") and len(lines) == 8
    assert all(math.isfinite(loss) for loss in losses)
    again = bench_command("train", "--data", documents, "--losses", "losses.txt")
    assert again.exit_code == 2 and "exists already" in again.stderr


def test_engines_are_listed(bench_command):
    import engines

    done = bench_command("engines")
    assert done.exit_code == 0
    for name in engines.NAMES:
        assert f"\n{name} " in done.stdout


@pytest.mark.parametrize("command", [[], ["run"], ["show"], ["compare"], ["train"], ["engines"]])
def test_help_everywhere(bench_command, command):
    done = bench_command(*command, "--help")
    assert done.exit_code == 0 and "Usage: microgpt-bench" in done.stdout


def test_names_come_through_the_cache_with_their_checksum(bench_command, tmp_path, monkeypatch):
    import hashlib

    from bench.host.system import datasets

    source = tmp_path / "source.txt"
    source.write_text("ab\nba\n")
    monkeypatch.setattr(datasets, "NAMES_URL", source.as_uri().replace("file://", "file://localhost"))
    monkeypatch.setattr(datasets.pooch, "os_cache", lambda _: tmp_path / "cache")
    done = bench_command("train", "--data", "names", "--steps", 1)
    assert done.exit_code == 2 and "names.txt" in done.stderr and done.stderr.count("\n") == 1
    cached = tmp_path / "cache" / "names.txt"
    cached.parent.mkdir(exist_ok=True)
    cached.write_text("ab\nba\n")
    monkeypatch.setattr(datasets, "NAMES_SHA256", hashlib.sha256(cached.read_bytes()).hexdigest())
    assert bench_command("train", "--data", "names", "--steps", 1).exit_code == 0


def test_the_readmes_python_example_runs():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (example,) = (block.split("```")[0] for block in text.split("```python\n")[1:] if "import Model" in block)
    done = subprocess.run([sys.executable, "-c", example], cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 11


def test_the_readmes_engine_runs_in_any_folder(bench_command, documents, tmp_path):
    """Exactly its lines, ten that are not empty, and as the README names the file."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (lines,) = (block.split("```")[0] for block in text.split("```python\n")[1:] if "ENGINE" in block)
    assert len([line for line in lines.splitlines() if line]) <= 10
    pathlib.Path("mine.py").write_text(lines)  # the working folder is an empty one
    where = ("--python", sys.executable, "--data", documents, *SMALL, "--steps", 2, "--rounds", 1, "--name", "ten")
    done = bench_command("run", "--engine", "mine.py", *where)
    assert done.exit_code == 0, done.stderr
    (row,) = (line for line in done.stdout.splitlines() if line.startswith("mine"))
    assert row.endswith("bit-identical")


def test_python_m_bench_is_the_same_command():
    done = subprocess.run([sys.executable, "-m", "bench", "--help"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and "Usage: microgpt-bench" in done.stdout


# --------------------------------------------------------------------- a file for each command


@pytest.mark.parametrize("arguments, imported", [(["--help"], []), (["no-such"], []), (["show", "--help"], ["show"])])
def test_a_command_is_imported_when_it_is_used(arguments, imported):
    program = (
        "import sys\nfrom bench.cli import main\n"
        "try:\n    main.main()\nfinally:\n    print(*sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, *arguments], cwd=ROOT, capture_output=True, text=True)
    modules = set(done.stderr.splitlines()[-1].split())
    assert [name for name in main.COMMANDS if f"bench.cli.{name}" in modules] == imported
    if not imported:
        assert not modules & {"numpy", "cattrs", "rich", "psutil", "scipy"}


@pytest.mark.parametrize("name", sorted(main.COMMANDS))
def test_the_list_of_commands_says_what_their_own_help_says(name):
    command = main.cli.get_command(None, name)
    assert command.name == name
    for width in (20, 50, 80, 200):
        assert main.cli.commands[name].get_short_help_str(width) == command.get_short_help_str(width)


def test_every_file_of_a_command_is_one():
    folder = ROOT / "bench" / "cli"
    assert {*main.COMMANDS} == {path.stem for path in folder.glob("*.py")} - {
        "__init__", "ending", "main", "options", "signals", "targets", "values", "workload_options",
    }  # fmt: skip


MOST_LINES = 25


@pytest.mark.parametrize("name", sorted(main.COMMANDS))
def test_a_command_is_short(name):
    """It parses, calls the library, prints, and gives the exit status: work belongs where Python can call it."""
    tree = ast.parse((ROOT / "bench" / "cli" / f"{name}.py").read_text(encoding="utf-8"))
    (callback,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "command")
    statements = callback.body[1:]  # after the docstring, which is the help
    lines = statements[-1].end_lineno - statements[0].lineno + 1
    assert ast.get_docstring(callback) and lines <= MOST_LINES


@pytest.mark.parametrize(
    ("arguments", "old", "new"),
    [
        (["run", "--turn", "x"], "--turn", "--min-time"),
        (["calibrate", "--equal", "x"], "--equal", "--null-trials"),
        (["calibrate", "--more", "2"], "--more", "--count-slowdown"),
        (["calibrate", "--burn", "--limit", "x"], "--burn", "--busy-core"),
        (["compare", "no", "no", "--anyway"], "--anyway", "--allow-mismatch"),
        (["check", "--anyway", "--threshold", "x"], "--anyway", "--allow-mismatch"),
    ],
)
def test_an_options_old_name_works_and_says_so_once(bench_command, arguments, old, new):
    done = bench_command(*arguments)
    assert done.exit_code == 2 and done.stderr.count(f"{old} is {new} now\n") == 1
    assert new in done.stderr.split("\n", 1)[1] or len(arguments) != 3  # a wrong value is one of the new name's
    shown = bench_command(arguments[0], "--help").stdout
    assert f"{new} " in shown and f"{old} " not in shown


def test_an_options_old_name_decides(small_run, bench_command):
    small_run("--engine", "tape", "--rounds", 1)
    small_run("--engine", "tape", "--rounds", 1, "--steps", 2, "--name", "other")
    assert "NOT LIKE WITH LIKE" in bench_command("compare", "small", "other", "--anyway").stdout
