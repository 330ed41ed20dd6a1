"""Small things that let something pass unsaid: names, numbers and texts that were taken for something else."""

import json
import math
import pathlib
import sys
import warnings

import pytest

import engines
from bench.host.results import store
from bench.host.results.printed_losses import digits_of
from bench.host.system import interpreters
from bench.workload import ladder
from bench.workload.config import Config, WorkloadError
from bench.workload.model import Model
from bench.workload.model_file import SavedModel
from bench.workload.trainer import Trainer
from tests.host.conftest import SMALL

VERSION = "{}.{}".format(*sys.version_info)


@pytest.fixture
def peers(bench_command, documents):
    """Run programs that print these lines, by name, beside the reference: two steps, one round."""

    def run(lines, *extra, pattern=None):
        text = ""
        for name, printed in lines.items():
            command = [sys.executable, "-c", f"import sys; sys.stdout.write({printed!r})", "{steps}"]
            text += f"[peers.{name}]\ncommand = {json.dumps(command)}\n"
            text += f"pattern = {json.dumps(pattern)}\n" if pattern else ""
        pathlib.Path("peers.toml").write_text(text)
        chosen = ["--python", sys.executable, "--data", documents, "--steps", 2, "--rounds", 1, "--name", "p"]
        return bench_command("peers", "peers.toml", *chosen, *SMALL, *extra)

    return run


def losses(*printed):
    return "".join(f"step {number} / 2 | loss {loss}\n" for number, loss in enumerate(printed, 1))


@pytest.fixture(scope="module")
def true():

    trainer = Trainer(
        "vector_exact", ["ab", "a", "cabbage", "bead", "decade", "b"], Config(n_embd=8, n_head=2, block_size=6)
    )
    return [trainer.step().loss for _ in range(2)]


# 1. digits


@pytest.mark.parametrize(
    "second, word",
    [
        ("0e300", "DIVERGED"),
        ("0e-300", "DIVERGED"),
        ("1e5", "DIVERGED"),
        ("-0", "DIVERGED"),
        ("00.5", "DIVERGED"),
        ("nan", "DIVERGED"),
        ("-inf", "DIVERGED"),
        ("1e999999999", "DIVERGED"),
        ("1e-999999999", "DIVERGED"),
        ("1e9999999999", "garbled"),
        ("2" + "0" * 400, "DIVERGED"),
        ("2_0", "garbled"),
        ("\u0662.\u0660\u0668", "garbled"),
        ("0x2", "garbled"),
        ("2.08.", "garbled"),
        ("e5", "garbled"),
        (".", "garbled"),
    ],
)
def test_f1_what_is_no_loss_does_not_agree(peers, true, second, word):
    done = peers({"odd": losses(f"{true[0]:.4f}", second)})
    assert done.exit_code == 1, done.output
    assert word in done.stdout and "losses agree" not in done.stdout
    assert len(done.stdout) < 3000


@pytest.mark.parametrize(
    "form, digits",
    [("{:.4f}", 4), ("{:.2f}", 2), ("{:+.6f}", 6), ("00{:.4f}", 4), ("{:.7e}", 7), ("{!r}", 8), ("{:.400f}", 8)],
)
def test_f1_what_agrees_says_to_how_many_digits(peers, true, form, digits):
    done = peers({"good": losses(*map(form.format, true))})
    assert done.exit_code == 0, done.output
    assert f"2 losses agree to {digits} digits" in done.stdout


@pytest.mark.parametrize("form", ["{:.0f}", "{:.0f}.", "{:.1f}", "{:.1e}", "{:.0f}e0"])
def test_f1_too_few_digits_prove_nothing(peers, true, form):
    done = peers({"vague": losses(*map(form.format, true))})
    assert done.exit_code == 1, done.output
    assert "prove nothing: print at least 2 digits behind the point" in done.stdout
    assert "losses agree" not in done.stdout


def test_f1_zeros_left_out_at_the_end_are_no_lack_of_digits():
    assert digits_of(["3.2326", "3.2", "3.1415"]) == (4, 1)
    assert digits_of(["3.2", "3", "3.1415"]) == (1, 1)


# 2. a pattern that finds nothing


@pytest.mark.parametrize(
    "printed, said",
    [
        ("epoch 1: 3.2\nepoch 2: 3.1\n", "the pattern finds no loss in 'epoch 1: 3.2', 'epoch 2: 3.1'"),
        ("Loss after 1: 3.2\ndone\n", "the pattern finds no loss in 'Loss after 1: 3.2'"),
        ("\x1b[31mred\x1b[0m \u202eabc\n", "the pattern finds no loss in '\\x1b[31mred\\x1b[0m \\u202eabc'"),
        ("x" * 100_000, "the pattern finds no loss in '" + "x" * 60 + "…'"),
        ("\n  \n", "nothing was printed to standard output"),
        ("", "nothing was printed to standard output"),
        (
            losses("{}") + "and now?\n",
            "ended after 1 of 2 steps (exit status 0): the pattern finds no loss in 'and now?'",
        ),
        (losses("{}"), "ended after 1 of 2 steps (exit status 0): nothing more was printed"),
    ],
)
def test_f2_a_pattern_that_matches_nothing_is_shown_what_it_does_not_match(peers, true, printed, said):
    done = peers({"mute": printed.replace("{}", f"{true[0]:.4f}")})
    assert done.exit_code == 1
    assert said in done.stdout and "(exit status 0)" in done.stdout
    assert "\x1b" not in done.stdout and len(done.stdout) < 3000


def test_f2_what_was_printed_elsewhere_is_named(bench_command, documents):
    code = "import sys; sys.stderr.write('step 1 / 2 | loss 2.1\\n\\x1b[31mend')"
    pathlib.Path("peers.toml").write_text(f"[peers.x]\ncommand = {json.dumps([sys.executable, '-c', code])}\n")
    done = bench_command("peers", "peers.toml", "--python", sys.executable, "--data", documents, "--steps", 2,
        "--rounds", 1, *SMALL)  # fmt: skip
    assert done.exit_code == 1
    assert r"nothing was printed to standard output, but '\x1b[31mend' to standard error" in done.stdout
    assert "\x1b" not in done.output


# 3. names that nothing has


def test_f3_a_base_that_is_no_row_is_refused_before_measuring(peers, true):
    done = peers({"good": losses(*map("{:.4f}".format, true))}, "--base", "god")
    assert done.exit_code == 2 and "no row 'god'" in done.stderr and "did you mean 'good'?" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not pathlib.Path("results").exists()


def test_f3_a_peer_with_the_name_of_an_engine_is_refused(peers, true):
    done = peers({"reference": losses(*map("{:.4f}".format, true))})
    assert done.exit_code == 2 and "peer reference has the same name as an engine's row" in done.stderr
    assert not pathlib.Path("results").exists()


def test_f3_a_base_that_fails_is_no_end_of_the_table(peers, true):
    done = peers({"good": losses(*map("{:.4f}".format, true)), "bad": ""}, "--base", "bad")
    assert done.exit_code == 1
    assert "bad has no time to compare with" in done.stdout and "speedup over reference" in done.stdout


@pytest.mark.parametrize(
    "options, said",
    [
        (["--ratio", "tap"], "no run has an engine 'tap': did you mean 'tape'?"),
        (["--ratio", "tape/nope"], "no run has an engine 'nope'"),
        (["--ratio", "native"], "no run has an engine 'native'"),
        (["--python", "2.7"], "no run has a runtime '2.7': choose from cpython-"),
    ],
)
def test_f3_a_ratio_of_an_engine_that_no_run_has(small_run, bench_command, options, said):
    assert small_run("--engine", "tape", "--rounds", 1).exit_code == 0
    done = bench_command("history", *options)
    assert done.exit_code == 2 and said in done.stderr and done.stderr.count("\n") == 1
    assert bench_command("history").exit_code == 0  # though the default's engines are in no run
    assert bench_command("history", "--ratio", "tape").exit_code == 0


# 9. relu(NaN)


@pytest.mark.parametrize("bad", [math.nan, -math.inf])
def test_f9_a_number_that_is_none_before_a_relu_does_the_same_in_every_engine(bad):
    """In the reference relu hides it from the first loss, and the weights are NaN from then on."""
    outcomes = {}
    for name in engines.NAMES:
        if engines.load(name).unavailable:
            continue
        trainer = Trainer(name, ["abc", "cab", "bca"], Config(n_embd=4, n_head=2))
        saved = SavedModel(trainer.config, "abc", trainer.weights(), name, 0)
        saved.weights["layer0.fc1"][3] = [bad] * 4
        trainer = Trainer(name, ["abc", "cab", "bca"], saved=saved)
        outcomes[name] = [f"{trainer.step().loss:.9f}" for _ in range(3)]
    expected = outcomes["reference"]
    assert expected[0] != "nan" and expected[1] == "nan"
    assert outcomes == dict.fromkeys(outcomes, expected)


# 4. a name for a version


@pytest.mark.parametrize("wanted", [VERSION, f"cpython{VERSION}", f"python{VERSION}", sys.executable])
def test_f4_a_runtime_named_anew_by_version_or_path(monkeypatch, wanted):
    monkeypatch.setattr(interpreters, "find", lambda version: sys.executable if VERSION in version else None)
    plain, named = (interpreters.resolve(text, {}) for text in (wanted, f"new={wanted}"))
    assert named.name == "new" and named.specification == f"new={wanted}"
    assert named.executable == plain.executable and named.described == plain.described


@pytest.mark.parametrize(
    "text, said",
    [
        ("new=2.99", "no interpreter 2.99 found on PATH"),
        ("new=", "no such interpreter ''"),
        ("=3.13", "the runtime name ''"),
        ("a b=3.13", "the runtime name 'a b'"),
        ("new=nowhere", "cannot run"),
        ("new=a=3.13", "cannot run"),
        ("a/b=c", "a/b=c: No such file"),  # no name, but a folder with = in its name
    ],
)
def test_f4_names_of_nothing(bench_command, documents, text, said):
    done = bench_command("run", "--python", text, "--data", documents)
    assert done.exit_code == 2 and said in done.stderr and done.stderr.count("\n") == 1


def test_f4_run_with_a_version_by_another_name(small_run, bench_command):
    if interpreters.find(VERSION) is None:
        pytest.skip(f"no interpreter {VERSION} is found by its version here")
    done = small_run("--engine", "tape", "--rounds", 1, "--python", f"new={VERSION}")
    assert done.exit_code == 0, done.output
    assert "new" in json.loads(pathlib.Path("results/small/run.json").read_text())["runtimes"]
    assert bench_command("run", "--resume", "small").exit_code == 0


# 5. the learning rate


def test_f5_a_learning_rate_of_ones_own(bench_command, documents):
    plain = bench_command("train", "--data", documents, *SMALL[:-2], "--steps", 4, "--samples", 0)
    same = bench_command(
        "train", "--data", documents, *SMALL[:-2], "--steps", 4, "--samples", 0, "--learning-rate", "0.01"
    )
    other = bench_command(
        "train", "--data", documents, *SMALL[:-2], "--steps", 4, "--samples", 0, "--learning-rate", "0.1"
    )
    assert plain.exit_code == same.exit_code == other.exit_code == 0
    assert plain.stdout == same.stdout != other.stdout
    trainer = Trainer("vector_exact", documents, Config(n_embd=8, n_head=2, block_size=6, learning_rate=0.1))
    assert [f"loss {trainer.step().loss:.4f}" in line for line in other.stdout.splitlines()[3:]] == [True] * 4


def test_f5_it_is_a_run_s_too_and_generate_s_and_the_ladder_s(small_run, bench_command, documents):
    done = small_run("--engine", "tape", "--rounds", 1, "--learning-rate", "0.02")
    assert done.exit_code == 0, done.output
    assert json.loads(pathlib.Path("results/small/run.json").read_text())["workload"]["config"]["learning_rate"] == 0.02
    texts = [
        bench_command("generate", "--data", documents, *SMALL[:-2], "--steps", 9, *rate).stdout
        for rate in ([], ["--learning-rate", "0.5"])
    ]
    assert texts[0] != texts[1]
    assert bench_command("train", "--model", "mlp", "--steps", 1, "--learning-rate", "0.1").exit_code == 0
    done = bench_command("train", "--model", "bigram", "--steps", 1, "--learning-rate", "0.1")
    assert done.exit_code == 2 and "--learning-rate has no effect on the model bigram" in done.stderr


@pytest.mark.parametrize("rate", ["-1", "nan", "inf", "fast"])
def test_f5_rates_that_are_none(bench_command, rate):
    done = bench_command("train", "--learning-rate", rate, "--steps", 1)
    assert done.exit_code == 2 and "learning" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("rate", ["1e300", "1e5"])
@pytest.mark.parametrize("more", [[], ["--model", "mlp_manual"], ["--engine", "combined"]])
def test_f5_a_rate_that_no_number_survives_is_no_fault_of_ours(bench_command, documents, rate, more):
    sizes = [] if more[:1] == ["--model"] else SMALL[:-2]
    done = bench_command("train", "--data", documents, *sizes, "--steps", 4, "--learning-rate", rate, *more)
    if "loss nan" in done.stdout or done.exit_code:
        assert done.exit_code == 2 and "choose a smaller learning rate" in done.stderr, done.output


def test_f5_nor_is_one_of_generate(bench_command, documents):
    for trace in ([], ["--trace"]):
        options = ["--data", documents, *SMALL[:-2], "--steps", 4, "--learning-rate", "1e300", *trace]
        done = bench_command("generate", *options)
        assert done.exit_code == 2 and "choose a smaller learning rate" in done.stderr, done.output


# 6. documents or a path


@pytest.mark.parametrize("make", [Model, Trainer, lambda documents: ladder.make("bigram", documents=documents)])
@pytest.mark.parametrize("text", ["emma", "emma ava mia", "", "nowhere/names.txt", "x" * 5000, "a\0b", "\ud800"])
def test_f6_a_text_of_one_line_is_no_path(make, text):
    with pytest.raises(WorkloadError, match="nor a file: give one of these, or a list of strings") as caught:
        make(documents=text)
    assert len(str(caught.value)) < 300 and "\n" not in str(caught.value)


@pytest.mark.parametrize("documents", [[], None, "\n \n", (), [1, 2], b"emma", ["emma", None]])
def test_f6_what_are_no_documents(documents):
    with pytest.raises(WorkloadError, match=r"no documents|documents must be strings"):
        Trainer(documents=documents)


def test_f6_what_are_documents(documents):
    expected = sorted(["ab", "a", "cabbage", "bead", "decade", "b"])
    text = pathlib.Path(documents).read_text()
    for given in (documents, pathlib.Path(documents), text, tuple(expected), iter(expected)):
        assert sorted(Trainer(documents=given).documents) == expected
    assert Trainer(documents="emma\n").documents == ["emma"]


def test_f6_the_command_line_speaks_of_the_file(bench_command):
    done = bench_command("train", "--data", "nowhere.txt")
    assert done.exit_code == 2 and "cannot read the dataset nowhere.txt" in done.stderr


# 7. what the block cuts

NOTE = "the block cuts 1 of 6 documents at 6 characters; the longest has 7"


def test_f7_a_run_says_what_the_block_cuts(small_run, bench_command):
    done = small_run("--engine", "tape", "--rounds", 1)
    assert NOTE in done.stdout  # a note of the tables
    assert NOTE in bench_command("show", "small").stdout
    done = small_run("--engine", "tape", "--rounds", 1, "--block-size", 7, "--name", "longer")
    assert "the block cuts" not in done.stdout


def test_f7_training_says_it_beside_its_lines(bench_command, documents):
    for command in ("train", "generate"):
        options = ["--data", documents, "--steps", 1, "--samples", 0, "--n-embd", 8]
        done = bench_command(command, *options, "--block-size", 6)
        assert NOTE in done.stderr and NOTE not in done.stdout, command
        assert "the block cuts" not in bench_command(command, *options, "--block-size", 7).stderr
    done = bench_command("train", "--model", "bigram", "--data", documents, "--steps", 1, "--block-size", 6)
    assert NOTE in done.stderr


def test_f7_a_model_warns_its_caller(documents):
    with pytest.warns(UserWarning, match=NOTE) as caught:
        model = Model(documents=documents, n_embd=8, n_head=2, block_size=6)
    assert caught[0].filename == __file__
    model.save("model.json")
    with pytest.warns(UserWarning, match=NOTE) as caught:
        Model.load("model.json", documents=documents)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Model.load("model.json")
        Model(documents=documents, n_embd=8, n_head=2, block_size=7)


# 8. names of runs


@pytest.mark.parametrize(
    "name",
    [
        *("latest", "", ".", "..", "a/b", "a\\b", "run:3.12", "mine.json", "-x", "--rounds", "a\nb", "a\x1b[31m"),
        *("x" * 300, "é" * 150, "a.", "a ", " a", "nul", "CON", "com1.txt", "a*", "a?b", "\ud800"),
    ],
)
def test_f8_names_that_would_be_taken_for_something_else(bench_command, documents, name):
    for command in (["run"], ["check"], ["scale"], ["peers", "none.toml"]):
        done = bench_command(*command, f"--name={name}", "--data", documents)
        assert done.exit_code == 2, (command, done.output)
        assert "--name" in done.stderr and done.stderr.count("\n") == 1 and len(done.stderr) < 400
    assert not pathlib.Path("results").exists()


@pytest.mark.parametrize("name", ["mine", "2026-01-01", "größer", "a b", "v1.2+jit", "x" * 200, "latest-2", "console"])
def test_f8_names_that_are_names(name):
    store.check_name(name)
