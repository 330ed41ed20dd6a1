"""Other programs beside the engines: run as they are, timed from outside, every loss checked."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest

import bench
from bench.host.measure import peer_file as files
from bench.host.results import peers as records
from bench.host.results import store
from bench.host.results.printed_losses import agrees
from bench.host.system.errors import UsageError
from bench.workload import start_file
from bench.workload.config import Config
from bench.workload.trainer import Trainer
from tests.host.conftest import SMALL, engine_file
from tests.host.read_start import from_start

MARK = "of="  # an option that CPython passes over: with the test's own folder it tells its processes from others'
ROOT = pathlib.Path(__file__).parents[2]
PORT = pathlib.Path(__file__).parent / "port.py"


def peer_file(**ports):
    """peers.toml with one table for each port: extra words of its command, and other lines."""
    text = ""
    for name, (how, lines) in ports.items():
        command = [sys.executable, "-X", MARK + os.getcwd(), str(PORT), "{data}", "{steps}", *([how] if how else [])]
        text += f"[peers.{name}]\ncommand = {json.dumps(command)}\n{lines}\n"
    pathlib.Path("peers.toml").write_text(text)
    return "peers.toml"


def running():
    """Command lines of this test's ports and of their children, among all processes."""
    lines = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    return [line for line in lines if MARK + os.getcwd() in line and "port.py" in line]


@pytest.fixture
def measure(bench_command, documents):
    def run(file, *extra):
        chosen = ["--python", sys.executable, "--data", documents, "--steps", "5", "--rounds", "2", "--name", "p"]
        return bench_command("peers", file, *chosen, *SMALL, *extra)

    return run


def test_ports_beside_engines(measure, bench_command):
    file = peer_file(
        plain=("", ""),
        rewriting=("over its own line", ""),
        worded=("other words", "pattern = '^(?P<step>\\d+);(?P<loss>.*)$'"),  # 3.232600e+00
    )
    done = measure(file, "--engine", "tape")
    assert done.exit_code == 0, done.output
    assert "5 losses agree to 4 digits" in done.stdout and "tape" in done.stdout
    assert "5 losses agree to 6 digits" in done.stdout
    loaded = records.load(pathlib.Path("results/p"))
    found = loaded.record
    assert loaded.good() and len(found.rounds) == 2
    (tape,) = (cell for cell in loaded.run.cells if cell[0] == "tape")
    waited = sum(sum(record.delay_nanoseconds) for record in loaded.run.of(tape)) * 1e-9  # for a processor
    less = loaded.run.seconds(tape).sum() - loaded.rows["tape"].sum()
    assert less == pytest.approx(loaded.run.seconds(tape)[:, 0].sum() + waited, abs=waited + 1e-9)  # less step 1's
    for entry in found.rounds:
        for name in ("plain", "rewriting", "worded"):
            assert entry[name].status == "ok" and len(entry[name].losses) == 5
            assert entry[name].arrived == sorted(entry[name].arrived)
    again = bench_command("peers", "--show", "p")
    assert again.exit_code == 0 and again.stdout == done.stdout
    assert json.loads(bench_command("peers", "--show", "p", "--format", "json").stdout)["good"] is True
    assert "speedup over plain" in bench_command("peers", "--show", "p", "--base", "plain").stdout
    wrong = bench_command("peers", "--show", "p", "--base", "nobody")
    assert wrong.exit_code == 2 and "choose from" in wrong.stderr


def test_a_port_with_the_javascript_generator(measure):
    file = peer_file(js=("", 'rng = "mulberry32"\nenv = { PORT_RNG = "mulberry32" }'))
    done = measure(file)
    assert done.exit_code == 0, done.output
    assert "5 losses agree to 4 digits" in done.stdout
    assert json.loads(pathlib.Path("results/p/run.json").read_text())["workload"]["config"]["rng"] == "mulberry32"


def test_another_generator_than_said_is_found(measure):
    done = measure(peer_file(js=("", 'rng = "mulberry32"')))
    assert done.exit_code == 1
    assert "js DIVERGED: step 1 printed" in done.stdout and "hand it {start}" in done.stdout


@pytest.mark.parametrize(
    "how, said",
    [
        ("wrong", "DIVERGED: step 3 printed"),
        ("nan", "DIVERGED: step 3 printed nan"),
        ("garbled", "garbled: oops is no loss"),
        ("skips", "garbled: step 4 where 3 belongs"),
        ("stops", "ended after 2 of 5 steps (exit status 0)"),
        ("crashes", "ended after 2 of 5 steps (exit status 1: out of cheese)"),
        ("hangs", "no loss for 10 s after 2 of 5 steps"),
        ("babbles", "no loss for 10 s after 2 of 5 steps"),
        ("fails at the end", "after its last step: exit status 1: no disk to write to"),
        ("never ends", "did not end within 10 s of its last step"),
        ("leaves a child", "ended after 2 of 5 steps (exit status 0)"),
        ("not text", "ended after 2 of 5 steps (exit status 0)"),
    ],
)
def test_a_bad_port_fails_alone(measure, how, said):
    file = peer_file(bad=(how, ""), fine=("", ""))
    done = measure(file, "--timeout", "10s", "--rounds", "1")
    assert done.exit_code == 1
    assert said.replace("oops", "'oops'") in done.stdout.replace("\n", " ")
    row = next(line for line in done.stdout.splitlines() if line.startswith("bad "))
    assert "agree" not in row and "–" in row
    assert "5 losses agree to 4 digits" in done.stdout
    assert not running()


def test_a_step_that_is_no_number(measure):
    done = measure(
        peer_file(bad=("odd step", r"pattern = 'step +(?P<step>\w+) .* loss (?P<loss>\S+)'")), "--rounds", "1"
    )
    assert done.exit_code == 1
    assert "bad failed: garbled: step three where 3 belongs" in done.stdout


def test_lines_that_come_in_a_bunch_are_timed_as_a_whole(measure):
    file = peer_file(bunched=("at the end", ""), slow=("slowly", ""))
    done = measure(file)
    assert done.exit_code == 0, done.output
    assert "bunched buffers its output" in done.stdout and "slow buffers" not in done.stdout
    found = records.load(pathlib.Path("results/p")).record
    whole, steps = (records.step_seconds(found, name, 5) for name in ("bunched", "slow"))
    assert whole.shape == (2, 1) and steps.shape == (2, 4)
    last = [entry["bunched"].arrived[-1] for entry in found.rounds]
    assert whole[:, 0] * 5 == pytest.approx(last)


def test_a_child_that_outlives_its_parent_does_not_cost_the_good_one(measure):
    done = measure(peer_file(parent=("leaves a child at the end", "")), "--timeout", "20s")
    assert done.exit_code == 0, done.output
    assert "5 losses agree" in done.stdout
    assert not running()


def test_a_program_that_is_not_told_its_steps_is_ended(measure):
    command = [sys.executable, str(PORT), "{data}", "1000000"]
    pathlib.Path("peers.toml").write_text(f"[peers.long]\ncommand = {json.dumps(command)}\n")
    done = measure("peers.toml")
    assert done.exit_code == 0, done.output
    assert "5 losses agree" in done.stdout


def test_shells_and_programs_that_are_not_there(measure):
    pathlib.Path("peers.toml").write_text(
        "[peers.missing]\ncommand = ['no-such-program']\n"
        f"[peers.shell]\nshell = true\ncommand = 'true && {sys.executable} {PORT} {{data}} {{steps}}'\n"
    )
    done = measure("peers.toml", "--rounds", "1")
    assert done.exit_code == 1
    assert "cannot start 'no-such-program': No such file or directory" in done.stdout
    assert "5 losses agree" in done.stdout
    pathlib.Path("odd.toml").write_text("[peers.odd]\ncommand = ['true']\nenv = { 'A=B' = 'no name for a system' }\n")
    done = measure("odd.toml", "--rounds", "1")
    assert done.exit_code == 2 and "nor the names in env a =" in done.stderr


def test_an_interrupt_keeps_finished_rounds(documents):
    file = peer_file(fine=("", ""), slow=("hangs", ""))
    command = [sys.executable, "-m", "bench", "peers", file, "--python", sys.executable, "--data", documents]
    root = PORT.parents[2]
    with subprocess.Popen(
        [*command, "--steps", "4", "--name", "p", *SMALL],
        env={**os.environ, "PYTHONPATH": str(root)},
        stderr=subprocess.PIPE,
        text=True,
        # where the tests run in a shell's background, Ctrl-C is ignored, and children inherit that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        deadline = time.monotonic() + 300
        while not any("hangs" in line for line in running()) and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=300)
    assert process.returncode == 130, errors
    assert not running()


@pytest.mark.parametrize(
    "text, said",
    [
        ("[peers.a]\ncomand = ['x']", "unknown key 'comand': did you mean 'command'?"),
        ("[peer.a]\ncommand = ['x']", "unknown key 'peer': did you mean 'peers'?"),
        ("", "names no peers"),
        ("peers = 3", "names no peers"),
        ("[peers]\na = 3", "is not a table"),
        ("[peers.a]\n", "command is None"),
        ("[peers.a]\ncommand = []", "command is []"),
        ("[peers.a]\ncommand = 'node x.js'", "with shell = true one text"),
        ("[peers.a]\ncommand = ['x']\nrng = 'pcg'", "rng is 'pcg': choose mersenne or mulberry32"),
        ("[peers.a]\ncommand = ['x']\ngaussian = 'trigonometric'", "works only with rng mulberry32"),
        ("[peers.a]\ncommand = ['x']\npattern = '('", "not a regular expression"),
        ("[peers.a]\ncommand = ['x']\npattern = 'loss'", "has no group (?P<loss>...)"),
        ("[peers.a]\ncommand = ['x']\ncwd = 'nowhere'", "is not a folder"),
        ("[peers.a]\ncommand = ['x']\nenv = { A = 1 }", "must be text"),
        ("[peers.a]\ncommand = ['x']\nshell = 'yes'", "shell is 'yes', not a bool"),
        ("[peers.a]\ncommand = ['x']\nproof = 'trust'", "proof is 'trust': choose losses or differs or none"),
        ("[peers.a]\ncommand = ['x']\nweights = ''", "give the name of the file"),
        ("[peers.a]\ncommand = ['x']\nweights = 'w.json'", "weights needs a program that ends by itself"),
        ("[peers.a]\ncommand = ['x']\ntwo_counts = true", "two_counts needs a program that ends by itself"),
        ("[peers.a]\ncommand = ['x']\ntwo_counts = 3", "two_counts needs a program that ends by itself"),
        ("[peers.a]\ncommand = ['x', '{steps}']\ntwo_counts = 1", "give true, or a number of steps, 2 to 10,000,000"),
        ("[peers.a]\ncommand = ['x', '{steps}']\ntwo_counts = 1e4", "two_counts is 10000.0: give true"),
        ("[peers.a]\ncommand = ['x', '{steps}']\ntwo_counts = 5", "two_counts is 5, not more than --steps 100"),
        ("[peers.a]\ncommand = ['x']\nloss_tolerance = 0.01", "loss_tolerance is 0.01: give a number from 0 to 0.0001"),
        ("[peers.a]\ncommand = ['x']\nloss_tolerance = nan", "give a number from 0 to 0.0001"),
        ("[peers.a]\ncommand = ['x']\nproof = 'none'\nloss_tolerance = 1e-5", "leave one of them out"),
        ("[peers.a]\ncommand = ['x']\nruntime = 3", "runtime is 3, not a str"),
        (
            "[peers.a]\ncommand = ['x']\nruntime = 'a\\nb'".replace("'a\\nb'", '"a\\nb"'),
            "at most 40 characters in a line",
        ),
        ("[peers.a]\ncommand = ['x', '{steps}']\nweights = 'w'\nproof = 'none'", "leave one of them out"),
        ("[peers.a]\ncommand = ['x', '{steps}']\nweights = 'w'\ntolerance = 1", "give a number from 0 to 1e-05"),
        ("[peers.a]\ncommand = ['x', '{steps}']\nweights = 'w'\ntolerance = nan", "give a number from 0 to 1e-05"),
        ("[peers.a]\ncommand = ['x']\ntolerance = 1e-12", "give weights too"),
        ("[peers.a]\ncommand = ['x']\nschedule_steps = 0", "schedule_steps is 0"),
        ("[peers.a\n", "is not TOML"),
    ],
)
def test_files_that_name_peers_badly(bench_command, text, said):
    pathlib.Path("peers.toml").write_text(text)
    done = bench_command("peers", "peers.toml")
    assert done.exit_code == 2
    assert said in done.stderr and done.stderr.count("\n") == 1
    assert not pathlib.Path("results").exists()


def test_what_else_is_wrong(bench_command):
    assert bench_command("peers", "missing.toml").exit_code == 2
    assert bench_command("peers").exit_code == 2
    done = bench_command("peers", peer_file(fine=("", "")), "--steps", "1")
    assert done.exit_code == 2 and "at least 2" in done.stderr


@pytest.mark.parametrize(
    "printed, expected, same",
    [
        ("3.2326", 3.23264999, True),
        ("3.2326", 3.23255001, True),
        ("3.2326", 3.2327001, False),
        ("3.23", 3.2349, True),
        ("3", 3.4, True),
        ("3.2326", 3.23265, True),  # halfway: printed either way
        ("3.232600e+00", 3.2326, True),
        ("3.232600e+00", 3.23261, False),
        ("nan", 3.2, False),
        ("inf", 3.2, False),
        ("-3.2326", 3.2326, False),
        (".5", 0.5, True),
    ],
)
def test_agreement_to_the_digits_printed(printed, expected, same):
    assert agrees(printed, expected) is same


def test_float32_may_round_the_last_digit_the_other_way(measure):
    assert not agrees("3.2326", 3.232655) and agrees("3.2326", 3.232655, 1e-5) and not agrees("3.2326", 3.2327, 1e-5)
    done = measure(peer_file(near=("", "loss_tolerance = 1e-5"), wrong=("wrong", "loss_tolerance = 1e-5")))
    assert "5 losses agree to 4 digits, give or take 1e-05" in done.stdout
    assert "wrong DIVERGED: step 3 printed" in done.stdout


def test_the_example_names_real_programs(documents, measure):
    example = PORT.parents[2] / "examples" / "peers.toml"
    (peer,) = files.read_file(example)
    assert peer.name == "node" and peer.told_steps
    if shutil.which("node") is None:
        pytest.skip("needs Node: install it, for instance with apt install nodejs")
    done = measure(example, "--n-embd", "16", "--n-head", "4", "--block-size", "16")
    assert done.exit_code == 0, done.output


def test_a_damaged_record(bench_command):
    pathlib.Path("results/x").mkdir(parents=True)
    done = bench_command("peers", "--show", "x")
    assert done.exit_code == 2 and "no peers.json" in done.stderr
    with pytest.raises(UsageError):
        records.load(pathlib.Path("results/x"))


def test_an_oracle_stands_in_for_the_reference(measure, bench_command):
    file = peer_file(plain=("", ""))
    done = measure(file, "--oracle", "compiled", "--engine", "vector_exact")
    assert done.exit_code == 0, done.output
    assert "compiled stands in for the reference: bit-identical with the reference over 5 steps" in done.stdout
    assert "speedup over compiled" in done.stdout
    loaded = records.load(pathlib.Path("results/p"))
    assert set(loaded.run.record.engines) == {"compiled", "vector_exact"} and loaded.good()
    assert loaded.record.oracle == records.Oracle("compiled", 5)
    assert loaded.over(("vector_exact", next(iter(loaded.run.record.runtimes))), "plain") is not None
    assert bench_command("peers", "--show", "p").stdout == done.stdout


def test_an_engine_that_is_no_oracle_is_refused(measure, tmp_path):
    file = peer_file(plain=("", ""))
    liar = engine_file(
        tmp_path,
        "liar",
        "from engines.reference import ENGINE as BASE\n"
        "def linear(x, w):\n"
        "    products = [[wi * xi for wi, xi in zip(row, x)][::-1] for row in w]\n"
        "    return [sum(rest, first) for first, *rest in products]\n"
        "ENGINE = BASE.variant('liar', 'sums from the end', linear=linear, parity=BASE.parity)\n",
    )
    for extra, said in (
        (["--oracle", "combined"], "it promises 'rounding', not 'bit-identical'"),
        (["--oracle", liar], "it is rounding"),
        (["--oracle", "reference"], "leave --oracle out"),
        (["--oracle", "compiled", "--engine", "reference"], "leave --engine reference or --oracle out"),
        (["--oracle", "no_such_engine"], "no_such_engine"),
        (["--oracle", "compiled", "--base", "reference"], "no row 'reference' to compare with"),
    ):
        done = measure(file, *extra)
        assert done.exit_code == 2 and said in done.stderr, done.output
        assert "Traceback" not in done.stderr and not pathlib.Path("results").exists()


def test_a_port_with_random_numbers_of_its_own_is_given_the_start(measure):
    file = peer_file(
        given=("", 'env = { PORT_START = "{start}" }'),
        given_js=("", 'env = { PORT_START = "{start}", PORT_RNG = "mulberry32" }'),
        wrong=("wrong", 'env = { PORT_START = "{start}" }'),
    )
    done = measure(file, "--rounds", "1")
    assert done.exit_code == 1, done.output
    for name in ("given", "given_js"):
        row = next(line for line in done.stdout.splitlines() if line.startswith(f"{name} "))
        assert ("same start given: 5 losses agree to 4 digits" in row and " lines " in row) or "whole run" in row
    assert "wrong DIVERGED: step 3 printed" in done.stdout


def test_what_is_not_checked_is_timed_apart(measure, bench_command):
    none = 'proof = "none"'
    file = peer_file(fine=("", ""), wrong=("wrong", none), silent=("silent", none), crashes=("crashes", none))
    done = measure(file, "--rounds", "1")
    assert done.exit_code == 1, done.output  # crashes
    checked, apart = done.stdout.split("Not checked\n")
    for name in ("wrong", "silent", "crashes"):
        assert f"\n{name} " not in checked and f"\n{name} " in apart
    assert "\nfine " in checked and "speedup" not in apart and "losses agree" not in apart
    assert "silent does not print a loss at each step" in apart
    assert "crashes failed: ended after 2 of 5 steps (exit status 1: out of cheese)" in apart
    loaded = records.load(pathlib.Path("results/p"))
    assert loaded.over(loaded.run.cells[0], "wrong") is None and loaded.over(loaded.run.cells[0], "fine") is not None
    refused = bench_command("peers", "--show", "p", "--base", "wrong")
    assert refused.exit_code == 2 and "wrong has no proof" in refused.stderr


def test_what_is_known_to_differ_is_timed_and_says_where(measure, bench_command):
    differs = 'proof = "differs"'
    file = peer_file(
        fine=("", 'runtime = "CPython, of course"'),
        wrong=("wrong", differs),
        right=("", differs),
        off=("weights off", f'{differs}\nweights = "weights.json"'),
        stops=("stops", differs),
    )
    done = measure(file, "--rounds", "1", "--steps", "8")
    assert done.exit_code == 1, done.output  # stops
    checked, apart = done.stdout.split("Known to differ\n")
    assert "\nfine " in checked and "CPython, of course" in checked and "Not checked" not in apart
    rows = {name: next(line for line in apart.splitlines() if line.startswith(f"{name} ")) for name in ("wrong", "off")}
    assert "step 3 printed" in rows["wrong"] and "belongs" in rows["wrong"]
    assert "final weights off by 1.0e-06, more than 4e-15" in rows["off"]
    assert "not at all: leave its proof out of the file" in apart
    assert "stops failed: ended after 2 of 8 steps" in apart
    loaded = records.load(pathlib.Path("results/p"))
    assert loaded.checked == ["fine"] and "wrong" not in loaded.rows
    assert len(loaded.record.rounds[0]["wrong"].losses) == 8  # to its end
    refused = bench_command("peers", "--show", "p", "--base", "wrong")
    assert refused.exit_code == 2 and "wrong has no proof" in refused.stderr
    assert bench_command("report", "p").exit_code == 1  # stops
    assert "Known to differ" in pathlib.Path("results/p/report.html").read_text(encoding="utf-8")
    page = bench.claims(ROOT / "results" / "default", peers="results/p", registry=pathlib.Path(registry()))
    assert "it is not the same training: step 3 printed" in page and "stops failed: ended after" in page


def registry():
    """A registry of claims about two of the ports."""
    claims = "".join(
        f'[[claims]]\nid = "{name}"\nsource = "s"\ntopic = "t"\nabout = "{name}"\nquote = "2x"\nworkload = "w"\nrule = "peer"\n'
        f'peer = "{name}"\nclaimed = 2\n'
        for name in ("wrong", "stops")
    )
    pathlib.Path("claims.toml").write_text(f'[sources.s]\nname = "S"\n[topics]\nt = "T"\n{claims}')
    return "claims.toml"


def test_train_exports_its_start(bench_command, documents):
    few = ["--engine", "vector", "--data", documents, *SMALL[:6], "--steps", 1, "--samples", 0]
    done = bench_command("train", *few, "--export-start", "start.txt")
    assert done.exit_code == 0, done.output
    trainer = Trainer("vector", documents, Config(n_embd=8, n_head=2, block_size=6))
    read = from_start("start.txt", documents, Config(n_embd=8, n_head=2, block_size=6, seed=7))
    assert read.documents == trainer.documents
    assert read.weights() == trainer.weights()  # every bit
    again = bench_command("train", *few, "--export-start", "start.txt")
    assert again.exit_code == 2 and "start.txt exists already" in again.stderr
    both = bench_command("train", *few, "--export-start", "new.txt", "--losses", "new.txt")
    assert both.exit_code == 2 and "a file each" in both.stderr and not pathlib.Path("new.txt").exists()
    ladder = bench_command("train", "--model", "bigram", "--export-start", "new.txt")
    assert ladder.exit_code == 2 and not pathlib.Path("new.txt").exists()


def test_two_numbers_of_steps_leave_start_up_out(measure):
    two = "two_counts = true"
    file = peer_file(
        held=("held back", two),
        own=("held back", two + '\nschedule_steps = "steps"\nenv = { PORT_SCHEDULE = "{steps}" }'),
        wrong=("wrong", two),
    )
    done = measure(file, "--steps", "12", "--rounds", "2")
    assert done.exit_code == 1, done.output  # wrong
    row = next(line for line in done.stdout.splitlines() if line.startswith("held "))
    assert "3 and 12 steps" in row and "12 losses agree to 4 digits" in row
    assert "held ran with 3 and with 12 steps: its time is the difference, without start-up." in done.stdout
    assert "wrong DIVERGED: told 3 steps: step 3 printed" in done.stdout
    found = records.load(pathlib.Path("results/p")).record
    seconds = records.step_seconds(found, "held", 12)
    ended = [entry["held"] for entry in found.rounds]
    assert seconds[:, 0] == pytest.approx([(one.ended - one.short_ended) / 9 for one in ended])
    assert records.step_seconds(found, "own", 12).shape == (2, 1)


def test_steps_too_short_for_a_clock_are_timed_over_many(measure):
    file = peer_file(many=("held back", "two_counts = 20"), wrong=("wrong", "two_counts = 20"))
    done = measure(file)
    assert done.exit_code == 1, done.output  # wrong
    row = next(line for line in done.stdout.splitlines() if line.startswith("many "))
    assert "5 and 20 steps" in row and "5 losses agree to 4 digits" in row
    assert "wrong DIVERGED: step 3 printed" in done.stdout
    found = records.load(pathlib.Path("results/p")).record
    ended = [entry["many"] for entry in found.rounds]
    seconds = records.step_seconds(found, "many", 5)
    assert seconds[:, 0] == pytest.approx([(one.ended - one.short_ended) / 15 for one in ended])
    assert [(one.short_steps, len(one.losses)) for one in ended] == [(5, 5)] * 2


def test_a_file_names_what_stands_beside_it(measure, tmp_path):
    folder = tmp_path / "elsewhere"
    (folder / "built").mkdir(parents=True)
    pathlib.Path(peer_file(a=("", 'cwd = "built"\nenv = { PYTHONPATH = "{here}" }'))).rename(folder / "peers.toml")
    file = folder / "peers.toml"
    file.write_text(file.read_text().replace(str(PORT), "{here}/port.py"))
    (folder / "port.py").write_text(PORT.read_text().replace("__file__", repr(str(PORT))))
    done = measure(str(file), "--rounds", "1")
    assert done.exit_code == 0, done.output
    assert "{here}/port.py" in pathlib.Path("results/p/peers.json").read_text()  # no path of this machine


def test_a_program_may_move_the_cursor_and_print_in_colour(measure):
    done = measure(peer_file(bright=("in colour", "")), "--rounds", "1")
    assert done.exit_code == 0, done.output
    assert "5 losses agree to 4 digits" in done.stdout


def test_final_weights_prove_a_program_that_prints_no_loss(measure):
    weights = 'weights = "weights.json"'
    file = peer_file(
        written=("weights", weights + "\ntolerance = 1e-13"),
        saved=("weights of train --save", weights + "\ntolerance = 1e-13"),
        off=("weights off", weights),
        nan=("weights not finite", weights),
        short=("weights without a row", weights),
        lacks=("weights without a matrix", weights),
        odd=("weights not JSON", weights),
        stale=("weights not written", weights),
        none=("weights not written", 'weights = "other.json"'),
    )
    pathlib.Path("weights.json").write_text("{}")
    done = measure(file, "--rounds", "1", "--steps", "8")
    assert done.exit_code == 1, done.output
    for name in ("written", "saved"):
        row = next(line for line in done.stdout.splitlines() if line.startswith(f"{name} "))
        assert "final weights w" in row
    for said in (
        "off DIVERGED: final weights off by 1.0e-06, more than 4e-15",
        "nan failed: wpe in weights.json has what is no finite number",
        "short failed: wpe in weights.json has not 6 rows",
        "lacks failed: weights.json has the matrices",
        "odd failed: weights.json is not JSON",
        "stale failed: it did not write weights.json, which was there before it ran",
        "none failed: it wrote no file other.json",
    ):
        assert said in done.stdout
    assert records.load(pathlib.Path("results/p")).record.rounds[0]["off"].weights_off == pytest.approx(1e-6)


def test_programs_in_report_compare_and_history(measure, bench_command):
    file = peer_file(fine=("", ""), other=("slowly", ""), apart=("", 'proof = "none"'))
    assert measure(file, "--oracle", "compiled").exit_code == 0
    assert measure(file, "--oracle", "compiled", "--name", "q").exit_code == 0

    rows = bench_command("compare", "p:compiled", "p:fine")
    assert rows.exit_code == 0 and "p: compiled → fine" in rows.stdout, rows.output
    loaded = records.load(pathlib.Path("results/p"))
    (runtime,) = loaded.run.record.runtimes
    assert f"{loaded.over(('compiled', runtime), 'fine').value:.3f}" in rows.stdout
    runs = bench_command("compare", "p", "q")
    assert runs.exit_code == 0 and "\napart " not in runs.stdout
    for name in ("compiled", "fine", "other"):
        assert f"\n{name} " in runs.stdout
    for sides, said in (
        (("p:fine", "q:fine"), "rows are compared within one run"),
        (("p:fine", "p"), "rows are compared within one run"),
        (("p:fine", "p:fine"), "the same on both sides"),
        (("p:fine", "p:apart"), "no row 'apart' with a time and a proof"),
        (("p:fine", "p:nobody"), "choose from compiled, fine, other"),
    ):
        done = bench_command("compare", *sides)
        assert done.exit_code == 2 and said in done.stderr and done.stderr.count("\n") == 1, done.output

    done = bench_command("history", "--ratio", "fine/compiled", "--ratio", "fine/other")
    assert done.exit_code == 0, done.output
    for name in ("p", "q"):
        row = next(line for line in done.stdout.splitlines() if line.startswith(f"{name} "))
        assert row.count("±") == 2 and "agree" in row
    assert measure(peer_file(bad=("wrong", "")), "--oracle", "compiled", "--rounds", "1", "--name", "r").exit_code == 1
    done = bench_command("history", "--ratio", "bad/compiled")
    assert "DIVERGED" in next(line for line in done.stdout.splitlines() if line.startswith("r "))
    assert bench_command("history").exit_code == 0  # of ratios that these runs have not
    wrong = bench_command("history", "--ratio", "apart/compiled")
    assert wrong.exit_code == 2 and "no run has an engine 'apart'" in wrong.stderr


@pytest.mark.parametrize("command", [[sys.executable, "micropython.py"], ["node", "micropython.mjs"]])
def test_the_port_for_micropython_trains_the_same_model(command, documents, tmp_path):
    """By CPython, and by MicroPython under Node."""
    examples = pathlib.Path(__file__).resolve().parents[2] / "examples"
    if command[0] == "node" and not (shutil.which("node") and (examples / "node_modules" / "@micropython").is_dir()):
        pytest.skip("needs Node and MicroPython: see examples/micropython.toml")
    config = Config(n_embd=8, n_head=2, block_size=6)
    trainer = Trainer("reference", documents, config)
    (tmp_path / "start").write_text(start_file.text_of(trainer), encoding="utf-8")
    losses = [f"{trainer.step().loss:.12f}" for _ in range(3)]
    port = [*command, str(tmp_path / "start"), "3"]
    done = subprocess.run(port, cwd=examples, capture_output=True, text=True, check=True)
    assert [line.split()[-1] for line in done.stdout.splitlines()] == losses


def test_a_report_of_programs(measure, bench_command):
    pytest.importorskip("vl_convert")
    assert measure(peer_file(fine=("", ""), apart=("wrong", 'proof = "none"'), bad=("wrong", ""))).exit_code == 1
    done = bench_command("report", "p", "--plots", "plots")
    assert done.exit_code == 1 and "written to" in done.stdout, done.output
    page = pathlib.Path("results/p/report.html").read_text()
    for words in ("Ports and engines", "speedup over reference", "Not checked", "NOT all programs did well: bad"):
        assert words in page
    (runtime,) = store.load(pathlib.Path("results/p")).record.runtimes
    assert [path.name for path in pathlib.Path("plots").iterdir()] == [f"ports-{runtime}.svg"]
    chart = json.loads(page.split('id="specs">')[1].split("</script>")[0])["ports"]
    assert {value["row"] for value in chart["data"]["values"]} == {"reference", "fine"}


def test_the_page_reads_a_start_file_in_ten_lines(documents):
    config = Config(n_embd=8, n_head=2, block_size=6)
    trainer = Trainer("vector", documents, config)
    pathlib.Path("start.txt").write_text(start_file.text_of(trainer), encoding="utf-8")
    page = (PORT.parents[2] / "docs" / "peers.md").read_text(encoding="utf-8")
    programs = {
        "python": ("import json\npath = 'start.txt'\n", "print(json.dumps([documents, weights]))", [sys.executable]),
        "javascript": (
            'import fs from "node:fs";\nconst path = "start.txt";\n',
            "console.log(JSON.stringify([documents, weights]));",
            ["node", "--input-type=module"],
        ),
    }
    for language, (before, after, command) in programs.items():
        snippet = page.split(f"```{language}\n")[1].split("```")[0]
        assert snippet.count("\n") <= 10
        if shutil.which(command[0]) is None:
            continue
        done = subprocess.run(command, input=before + snippet + after, capture_output=True, text=True, check=True)
        assert json.loads(done.stdout) == [trainer.documents, trainer.weights()]  # every bit


def test_the_example_in_c_is_a_port(measure):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs a C compiler: install one, for instance with apt install gcc")
    source = PORT.parents[2] / "examples" / "microgpt.c"
    subprocess.run([compiler, "-O2", "-D_GNU_SOURCE", "-o", "microgpt", str(source), "-lm"], check=True)
    pathlib.Path("peers.toml").write_text(
        '[peers.c]\ncommand = ["./microgpt", "{start}", "{steps}", "w.json"]\nweights = "w.json"\ntolerance = 1e-13\n'
    )
    done = measure("peers.toml", "--rounds", "1", "--n-layer", "2")
    assert done.exit_code == 0, done.output
    assert "same start given: 5 losses agree to 6 digits, final weights w" in done.stdout
