"""What is measured is what is said: work that nobody counts, clocks, the collector, samples."""

import json
import math
import pathlib
import stat
import subprocess
import sys
import time

import numpy as np
import pytest

import engines
from bench.host.measure.answers import FIELDS, one_line, problem
from bench.host.results import store, suspicion
from bench.host.results.parity import Agreement, compare_samples
from bench.host.results.records import CellRecord, RoundRecord
from bench.workload import clocks
from bench.workload.seal import seal
from bench.workload.worker import pack
from tests.host.conftest import SMALL, engine_file


def only(small_run, tmp_path, text, *options, name="mine"):
    """The run, the cell, and what was printed, of one round of one engine of the user's."""
    done = small_run("--engine", engine_file(tmp_path, name, text), "--rounds", 1, *options)
    run = store.load(pathlib.Path("results/small"))
    (runtime,) = run.record.runtimes
    return run, (name, runtime), done


def interpreter(tmp_path, text):
    """An interpreter that runs ``text`` before anything else, as another system's could be."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(text)
    path = tmp_path / "python"
    path.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path / "site"} exec {sys.executable} "$@"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


# --------------------------------------------------------------------- time that nobody counts


def test_c9_a_step_that_waits_is_taken_off_processor_time(small_run, tmp_path):
    text = "def slow(loss):\n    time.sleep(0.03)\n    BASE.backward(loss)\nENGINE = replace(backward=slow)"
    run, cell, done = only(small_run, tmp_path, text, "--rounds", 2)
    assert done.exit_code == 0, done.output
    assert "waited for something other" in run.off_cpu(cell)
    assert run.off_cpu(("reference", cell[1])) == ""
    assert "(wall)" in done.stdout and "waited for something other" in done.stdout
    reference, own = run.pair(("reference", cell[1]), cell)
    assert np.median(own) > 0.03 and np.all(reference == run.seconds(("reference", cell[1])))


@pytest.mark.slow
def test_c9_a_gate_row_that_waits_does_not_pass(bench_command, documents, tmp_path, monkeypatch):
    waits = "def slow(loss):\n    time.sleep(0.03)\n    BASE.backward(loss)\nENGINE = replace(backward=slow)"
    path = engine_file(tmp_path, "mine", waits)
    for command in (
        ["init", "-q"],
        ["add", "mine.py"],
        ["-c", "user.name=a", "-c", "user.email=a", "commit", "-qm", "a"],
    ):
        subprocess.run(["git", *command], check=True, cwd=tmp_path)
    done = bench_command(
        *("check", "--against", "HEAD", "--engine", path, "--python", sys.executable, "--data", documents, *SMALL),
        *("--steps", "2", "--budget", "30s", "--threshold", "0.5", "--no-instructions", "--json", "out.json"),
    )
    (cell,) = json.loads(pathlib.Path("out.json").read_text())["cells"]
    assert cell["word"] == "INCONCLUSIVE" and "waited for something other" in cell["reason"], done.output


WORKS_IN_A_CHILD = """
def elsewhere(loss):
    child = os.fork()
    if not child:
        end = time.process_time() + 0.03
        while time.process_time() < end:
            pass
        os._exit(0)
    os.waitpid(child, 0)
    BASE.backward(loss)
ENGINE = replace(backward=elsewhere)
"""


def test_c9_work_in_a_child_that_was_waited_for_is_counted(small_run, tmp_path):
    run, cell, _ = only(small_run, tmp_path, WORKS_IN_A_CHILD, "--rounds", 2)
    assert run.status(cell)[0] == "ok"
    assert min(min(record.cpu_nanoseconds) for record in run.of(cell)) > 25e6


@pytest.mark.parametrize(
    "text",
    [
        "import subprocess\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\nENGINE = replace()",
        "if os.fork() == 0:\n    time.sleep(60)\n    os._exit(0)\nENGINE = replace()",
        "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        time.sleep(60)\n    os._exit(0)\nENGINE = replace()",
    ],
)
def test_c12_a_process_left_running_fails_the_cell(small_run, tmp_path, text):
    run, cell, done = only(small_run, tmp_path, text)
    assert done.exit_code == 1
    assert run.status(cell)[0] == "failed" and "left a process running" in run.status(cell)[1]


def steps(wall, cpu, delay=None):
    """Rounds of cells of equal times a step: ``wall`` and ``cpu`` in milliseconds by name, 5 rounds of 6 steps."""
    cells = {
        name: CellRecord(
            "ok",
            losses=["0x0p+0"] * 6,
            nanoseconds=[wall[name] * 1e6] * 6,
            cpu_nanoseconds=[cpu[name] * 1e6] * 6,
            delay_nanoseconds=[] if delay is None else [delay.get(name, 0) * 1e6] * 6,
            yields=[] if delay is None else [1] * 6,
        )
        for name in wall
    }
    return [RoundRecord(1, number, "", 1.0, 0.0, cells) for number in range(1, 6)]


def test_c9_a_machine_that_is_shared_is_nobodys_fault():
    busy = steps({"a": 200, "b": 2.1, "c": 31}, {"a": 100, "b": 1, "c": 15})
    assert [suspicion.waits(busy, name) for name in "abc"] == ["", "", ""]
    told = steps({"a": 300, "b": 2}, {"a": 100, "b": 2}, delay={"a": 200})
    assert suspicion.waits(told, "a") == ""
    assert "67%" in suspicion.waits(steps({"a": 300, "b": 300}, {"a": 100, "b": 100}, delay={}), "a")
    assert "67%" in suspicion.waits(steps({"a": 300, "b": 2}, {"a": 100, "b": 2}), "a")


def test_c10_a_coarse_processor_clock_is_seen_by_watching_it_tick(small_run, tmp_path):
    coarse = (
        "import time\nfine = time.process_time_ns\ntime.process_time_ns = lambda: fine() // 15_600_000 * 15_600_000\n"
    )
    done = small_run("--engine", "fused_dot", "--python", f"coarse={interpreter(tmp_path, coarse)}")
    assert done.exit_code == 0, done.output
    assert "ticks every 15.6 ms" in done.stdout and "(wall)" in done.stdout
    run = store.load(pathlib.Path("results/small"))
    assert run.of(("fused_dot", "coarse"))[0].cpu_nanoseconds == []
    assert math.isfinite(run.pair(("reference", "coarse"), ("fused_dot", "coarse"))[0].sum())


def test_c10_where_clocks_stand_still_the_cell_fails_and_says_so(small_run, tmp_path):
    coarse = "import time\nfine = time.{0}\ntime.{0} = lambda: fine() // 10**18 * 10**18\n"
    text = coarse.format("process_time_ns") + coarse.format("perf_counter_ns").replace("fine", "also")
    done = small_run("--engine", "fused_dot", "--rounds", 1, "--python", f"coarse={interpreter(tmp_path, text)}")
    assert done.exit_code == 1
    assert "ticks too coarsely" in done.stdout


def test_c10_a_kept_run_with_times_of_zero_is_read_on_the_other_clock(small_run, bench_command):
    small_run("--engine", "fused_dot")
    path = pathlib.Path("results/small/rounds/001.json")
    entry = json.loads(path.read_text())
    for cell in entry["cells"].values():
        cell["cpu_nanoseconds"] = [0.0] * len(cell["cpu_nanoseconds"])
    path.write_text(json.dumps(entry))
    assert bench_command("show", "small").exit_code == 0
    done = bench_command("history", "--ratio", "fused_dot")
    assert done.exit_code == 0 and "small" in done.stdout


def test_c10_tick():
    assert clocks.tick_ns(time.perf_counter_ns) < 100_000
    assert clocks.tick_ns(lambda: time.perf_counter_ns() // 2_000_000 * 2_000_000) == 2_000_000
    assert clocks.tick_ns(lambda: 7) == 1_000_000_000


# --------------------------------------------------------------------- results that were kept or prepared

KEPT = """
KNOWN = {}
class Keeping:
    "Adam whose updates, once done from the same parameters and gradients, are looked up."
    def __init__(self, *arguments):
        self.adam = BASE.optimizer(*arguments)
        self.parameters = self.adam.parameters
    def update(self, t, learning_rate, *options):
        key = t, tuple(p.data for p in self.parameters), tuple(p.grad for p in self.parameters)
        if key not in KNOWN:
            end = time.perf_counter() + 0.02  # as long as an honest one would take
            while time.perf_counter() < end:
                pass
            self.adam.update(t, learning_rate, *options)
            KNOWN[key] = self.adam.snapshot()
        else:
            self.adam.restore(KNOWN[key])
    def snapshot(self):
        return self.adam.snapshot()
    def restore(self, snapshot):
        self.adam.restore(snapshot)
    def load(self, *state):
        self.adam.load(*state)
ENGINE = replace(optimizer=Keeping)
"""


def test_c11_a_result_that_was_kept_serves_no_repeat(small_run, tmp_path):
    run, cell, done = only(small_run, tmp_path, KEPT, "--min-time", "0.1")
    assert run.status(cell)[0] == "ok", done.output
    assert min(min(record.nanoseconds) for record in run.of(cell)) > 15e6


SKIPS = """
KNOWN = []
def skips(loss):
    KNOWN.append(1)
    if len(KNOWN) < 3 or loss.data in HONEST:
        BASE.backward(loss)
HONEST = set()
ENGINE = replace(backward=skips)
"""


def test_c11_a_repeat_that_skips_work_diverges(small_run, tmp_path):
    run, cell, _ = only(small_run, tmp_path, SKIPS, "--min-time", "0.1")
    assert run.status(cell)[0] == "diverged"


def test_c11_repeats_far_faster_than_the_first_one_are_flagged():
    def record(first, mean, own):
        return CellRecord(
            "ok", cpu_nanoseconds=[mean] * 6, first_nanoseconds=[first] * 6, own_nanoseconds=[own] * 6, repeats=10
        )

    assert "first of a turn's repeats takes 40 times" in suspicion.too_fast([record(40e6, 1e6, 1e6)])
    assert "not seen before" in suspicion.too_fast([record(5e6, 5e6, 1e5)])
    assert suspicion.too_fast([record(60e3, 8e3, 8e3)]) == ""  # a cold start of microseconds
    assert suspicion.too_fast([CellRecord("ok", nanoseconds=[1.0] * 6)]) == ""


def test_c11_a_first_pass_that_only_looked_fast_costs_no_long_turn(small_run, tmp_path):
    text = (
        "CALLS = []\ndef slower(loss):\n    CALLS.append(1)\n    end = time.process_time() + (0.02 if len(CALLS) > 6 else 0)\n"
        "    while time.process_time() < end:\n        pass\n    BASE.backward(loss)\n"
        "ENGINE = replace(backward=slower)"
    )
    run, cell, done = only(small_run, tmp_path, text, "--min-time", "0.2")
    assert run.status(cell)[0] == "ok", done.output
    assert max(max(record.nanoseconds) for record in run.of(cell)) > 15e6


# --------------------------------------------------------------------- what an engine must leave alone


@pytest.mark.parametrize(
    "text, words",
    [
        ("import gc\ngc.disable()\nENGINE = replace()", "garbage collector was changed from on to off"),
        ("import gc\ngc.set_threshold(10**6)\nENGINE = replace()", "threshold was changed"),
        (
            "import gc\ndef freezes(loss):\n    BASE.backward(loss)\n    gc.freeze()\nENGINE = replace(backward=freezes)",
            "hidden from the garbage collector",
        ),
        (
            "real = time.process_time_ns\ntime.process_time_ns = lambda: real() // 9\nENGINE = replace()",
            "process_time_ns",
        ),
        (
            "real = time.perf_counter_ns\ntime.perf_counter_ns = lambda: real() // 9\nENGINE = replace()",
            "perf_counter_ns",
        ),
        (
            "from bench.workload import worker\nold = worker.Worker.step\n"
            "worker.Worker.step = lambda self, order: {**old(self, order), 'ns': 1.0}\nENGINE = replace()",
            "Worker.step was replaced",
        ),
        (
            "from bench.workload.trainer import Trainer\nTrainer.step.__defaults__ = (None, 'ab')\nENGINE = replace()",
            "Trainer.step was replaced",
        ),
        ("import json\njson.dumps = lambda answer: '{}'\nENGINE = replace()", "json.dumps was replaced"),
        ("import signal\nsignal.setitimer(signal.ITIMER_VIRTUAL, 900)\nENGINE = replace()", "timer"),
        ("import sys\nsys.setprofile(lambda *_: None)\nENGINE = replace()", "profiling hook"),
    ],
)
def test_c12_what_measures_is_sealed(small_run, tmp_path, text, words):
    run, cell, done = only(small_run, tmp_path, text)
    assert done.exit_code == 1
    assert run.status(cell)[0] == "failed" and words in run.status(cell)[1], run.status(cell)


def test_c12_an_engine_writes_into_no_source(small_run, tmp_path):
    text = (
        "import bench.workload.worker as worker\nopen(worker.__file__, 'a').write('FASTER = 1\\n')\n"
        "os.unlink(sys.modules['engines'].__file__)\nENGINE = replace()"
    )
    run, cell, done = only(small_run, tmp_path, text, "--engine", "tape", "--rounds", 2)
    assert run.status(cell)[0] == "failed" and "it changed" in run.status(cell)[1], done.output
    assert run.status(("tape", cell[1]))[0] == "ok"


def test_c12_an_engine_may_say_that_it_wants_no_collector(small_run, tmp_path):
    run, _, done = only(small_run, tmp_path, "ENGINE = replace(collector='off')")
    assert done.exit_code == 0, done.output
    assert run.record.engines["mine"].collector == "off"
    assert "mine: without the cyclic garbage collector, as its file says" in done.stdout


def test_c12_the_seal_holds_against_honest_work():
    broken = seal()
    json.dumps({"a": 1})
    assert broken() == ""


@pytest.mark.parametrize(
    "text",
    [
        'def prints(loss):\n    for number in range(1, 20):\n        try:\n            os.write(number, b\'{"loss": "0x1p+0", "ns": 1,'
        ' "cpu_ns": 1}\\n\')\n        except OSError:\n            pass\n    BASE.backward(loss)\nENGINE = replace(backward=prints)',
        "def ends(loss):\n    os._exit(0)\nENGINE = replace(backward=ends)",
        "def ends(loss):\n    raise SystemExit(0)\nENGINE = replace(backward=ends)",
        "def closes(loss):\n    os.closerange(3, 20)\n    BASE.backward(loss)\nENGINE = replace(backward=closes)",
    ],
)
def test_c12_the_answers_belong_to_the_worker(small_run, tmp_path, text):
    run, cell, done = only(small_run, tmp_path, text)
    assert done.exit_code == 1
    assert run.status(cell)[0] == "failed"


def test_c12_a_worker_computes_nothing_between_its_orders(small_run, tmp_path):
    text = (
        "import threading\ndef computes():\n    while True:\n        sum(range(1000))\n"
        "threading.Thread(target=computes, daemon=True).start()\nENGINE = replace()"
    )
    run, cell, _ = only(small_run, tmp_path, text, "--engine", "closures", "--rounds", "3", "--steps", "6")
    assert run.status(cell)[0] == "failed" and "between its orders" in run.status(cell)[1]


# --------------------------------------------------------------------- samples


@pytest.mark.parametrize(
    "text, words",
    [
        ("ENGINE = replace(probabilities=lambda logits, t: [1.0] + [0.0] * (len(logits) - 1))", "probabilities off by"),
        ("ENGINE = replace(probabilities=lambda logits, t: BASE.probabilities(logits, 1.0))", "probabilities off by"),
        (
            "CALLS = []\ndef later(logits, t):\n    CALLS.append(1)\n    p = BASE.probabilities(logits, t)\n"
            "    return p[::-1] if len(CALLS) < 4 else p\nENGINE = replace(probabilities=later)",
            "draws with other probabilities",
        ),
    ],
)
def test_c13_wrong_samples_diverge(small_run, tmp_path, text, words):
    run, cell, done = only(small_run, tmp_path, text)
    assert done.exit_code == 1
    assert run.status(cell)[0] == "diverged" and words in run.status(cell)[1]
    assert "a rounding error decided" not in done.stdout


def answer(samples, weights):
    return {"samples": samples, "drawn": pack([weights]), "along": pack([weights])}


def test_c13_samples_are_compared_up_to_the_first_difference():
    truth = answer(["a"], [[0.5, 0.5], [0.1, 0.9]])
    assert compare_samples(truth, truth, 2, 4).parity is Agreement.BIT_IDENTICAL
    near = answer(["a"], [[0.5 + 1e-16, 0.5], [0.1, 0.9 + 1e-15]])
    assert compare_samples(truth, near, 2, 4).parity is Agreement.ROUNDING
    other = {**near, "samples": ["b"]}
    assert (
        compare_samples(truth, other, 2, 4).parity is Agreement.ROUNDING
    )  # a rounding error may decide between two tokens
    assert compare_samples(truth, {**truth, "samples": ["b"]}, 2, 4).parity is Agreement.DIVERGED
    assert compare_samples(truth, {**truth, "samples": []}, 2, 4).parity is Agreement.DIVERGED
    assert compare_samples(truth, {**truth, "samples": ["aaa"]}, 2, 4).parity is Agreement.DIVERGED
    assert compare_samples(truth, answer(["a"], [[0.5, 0.5], [float("nan"), 0.9]]), 2, 4).parity is Agreement.DIVERGED


# --------------------------------------------------------------------- answers


@pytest.mark.parametrize("count", ["float('nan')", "'many'", "-1", "10**400", "True", "None", "float('inf')", "[1]"])
def test_d19_a_bad_answer_fails_its_cell_alone(small_run, bench_command, tmp_path, count):
    run, cell, done = only(small_run, tmp_path, f"ENGINE = replace(count_nodes=lambda loss: {count})")
    assert done.exit_code == 1
    assert run.status(cell)[0] == "failed", run.status(cell)
    assert run.status(("reference", cell[1]))[0] == "ok"
    assert bench_command("show", "small").exit_code == 1


@pytest.mark.parametrize(
    "value", [None, [], {}, "", "x", float("nan"), float("inf"), -1, 10**400, True, [[]], [None], {"a": 1}]
)
@pytest.mark.parametrize("field", FIELDS)
def test_d19_every_field_of_an_answer_is_looked_at(field, value):
    said = problem({field: value})
    allowed = {"affinity": (None, []), "nodes": ([],), "samples": ([],), "peak_bytes": (None, []), "blocks": (None, [])}
    allowed |= dict.fromkeys(("repeated", "cold_ns"), ([],))
    allowed |= {"crowd": ([], [[]])}  # its steps are counted
    allowed |= {"share": (None,), "collections": (None,), "runtime": ({}, {"a": 1}), "shapes": ({},)}
    packed = ("gradients", "parameters", "drawn", "along")
    good = value in allowed.get(field, ()) or (field in packed and value == "")
    assert bool(said) != good, (field, value, said)
    assert "\n" not in said and len(said) < 200


def test_d20_a_timeout_while_counting_nodes_keeps_the_times(small_run, tmp_path):
    text = "def hangs(loss):\n    time.sleep(60)\nENGINE = replace(count_nodes=hangs)"
    run, cell, done = only(small_run, tmp_path, text, "--timeout", "8s")
    assert done.exit_code == 0, done.output
    assert run.status(cell)[0] == "ok" and run.nodes("mine") is None
    assert "its times are kept" in done.stderr


def test_f_error_texts_of_engines_are_one_short_line(small_run, tmp_path):
    text = "def raises(loss):\n    raise ValueError('\\x1b[31mred\\n' + 'x' * 100_000 + '\\ud800')\nENGINE = replace(backward=raises)"
    run, cell, done = only(small_run, tmp_path, text)
    reason = run.status(cell)[1]
    assert len(reason) <= 300 and "\x1b" not in done.output and max(map(len, done.output.splitlines())) < 500
    assert one_line("a\x1b[0m\nb\u202ec\ud800", 9) == "a�[0m b�c�"[:9] or len(one_line("a\x1b[0m\nb", 9)) <= 9


@pytest.mark.parametrize(
    "before, after",
    [
        ("gc.disable()", "gc.enable()"),
        ("gc.set_threshold(10**6)", "gc.set_threshold(*USUAL)"),
        ("gc.freeze()", "gc.unfreeze()"),
    ],
)
def test_c12_the_collector_works_within_a_step_too(small_run, tmp_path, before, after):
    text = (
        f"import gc\nUSUAL = gc.get_threshold()\ndef first(w, index):\n    {before}\n    return BASE.embedding(w, index)\n"
        f"def reset():\n    {after}\nENGINE = replace(embedding=first, reset=reset)"
    )
    run, cell, done = only(small_run, tmp_path, text)
    assert done.exit_code == 1
    assert run.status(cell)[0] == "failed" and "tampered" in run.status(cell)[1]


@pytest.mark.parametrize(
    "text, words",
    [
        ("import json\njson.encoder.ESCAPE = None\nENGINE = replace()", "json.encoder.ESCAPE"),
        (
            "import json\njson._default_encoder = json.JSONEncoder(sort_keys=True)\nENGINE = replace()",
            "_default_encoder",
        ),
        ("import bench.workload.gpt as gpt\ngpt.range = range\nENGINE = replace()", "further names"),
        ("os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))\nENGINE = replace()", "scheduler"),
        (
            "import gc\nfrom bench.workload.gpt import GPT\ndef hides(loss):\n    BASE.backward(loss)\n"
            "    for model in gc.get_referrers(GPT):\n        if isinstance(model, GPT):\n            model.loss = model.loss\n"
            "ENGINE = replace(backward=hides)",
            "GPT",
        ),
    ],
)
def test_c12_neighbours_of_what_is_sealed(small_run, tmp_path, text, words):
    run, cell, done = only(small_run, tmp_path, text)
    assert done.exit_code == 1
    assert run.status(cell)[0] == "failed" and words in run.status(cell)[1], run.status(cell)


LATE = """
class Late(type(BASE.optimizer([], 0.9, 0.9, 0.1))):
    "Adam that is in no hurry: its update is done when somebody asks for the weights, or needs them."
    waiting = None
    def update(self, *arguments):
        self.waiting = arguments
    def now(self):
        if self.waiting:
            end = time.process_time() + 0.02
            while time.process_time() < end:
                pass
            super().update(*self.waiting)
            self.waiting = None
    def snapshot(self):
        self.now()
        return super().snapshot()
    def restore(self, snapshot):
        self.waiting = None
        super().restore(snapshot)
ALL = []
def make(*arguments):
    ALL.append(Late(*arguments))
    return ALL[-1]
def embedding(w, index):
    ALL[-1].now()
    return BASE.embedding(w, index)
def read_values(matrix):
    ALL[-1].now()
    return BASE.read_values(matrix)
ENGINE = replace(optimizer=make, embedding=embedding, read_values=read_values)
"""


def test_c11_work_that_is_put_off_past_the_clock_fails(small_run, tmp_path):
    run, cell, done = only(small_run, tmp_path, LATE, "--min-time", "0.03")
    assert run.status(cell)[0] == "failed" and "outside the clock" in run.status(cell)[1], done.output


# An update that comes with the first read, or only with a later one, whatever the engine it is put into.
PUT_OFF = """
ALL, READS = [], []
class PutOff:
    "An optimizer whose update is done when somebody asks for the weights, or needs them."
    def __init__(self, *arguments):
        vars(self).update(real=BASE.optimizer(*arguments), waiting=None)
        ALL.append(self)
    def __getattr__(self, name):
        self.now()
        return getattr(self.real, name)
    def update(self, *arguments):
        self.now()
        self.waiting = arguments
        READS.clear()
    def now(self):
        if self.waiting:
            arguments, self.waiting = self.waiting, None
            self.real.update(*arguments)
    def restore(self, snapshot):
        self.waiting = None
        self.real.restore(snapshot)
    def load(self, *state):
        self.waiting = None
        self.real.load(*state)
def embedding(w, index):
    ALL[-1].now()
    return BASE.embedding(w, index)
def read_values(matrix):
    READS.append(matrix)
    if ALL and len(READS) > PATIENCE:
        ALL[-1].now()
    return BASE.read_values(matrix)
ENGINE = replace(optimizer=PutOff, embedding=embedding, read_values=read_values)
"""
DEFAULT_MODEL = ["--n-embd", "16", "--n-head", "4", "--block-size", "16", "--steps", "6"]


@pytest.mark.parametrize("base", ["reference", "fused_dot", "combined", "tape", "compiled", "vector"])
def test_c12_an_update_is_not_put_off_until_weights_are_read(small_run, tmp_path, base):
    """At the default size, where reading an honest engine's weights takes a while too, as their memory is cold."""
    text = f"BASE = load('{base}')\nPATIENCE = 0\n{PUT_OFF}"
    run, cell, done = only(small_run, tmp_path, text, *DEFAULT_MODEL)
    assert run.status(cell)[0] == "failed" and "weights are read" in run.status(cell)[1], done.output


@pytest.mark.parametrize("reads", [1, 2, 3])
def test_c12_nor_until_they_are_read_again(small_run, tmp_path, reads):
    """So many reads of all nine matrices find the weights from before the step."""
    text = f"BASE = load('combined')\nPATIENCE = {9 * reads}\n{PUT_OFF}"
    run, cell, done = only(small_run, tmp_path, text, *DEFAULT_MODEL)
    assert run.status(cell)[0] in ("failed", "diverged"), done.output


@pytest.mark.slow
def test_c12_honest_engines_are_believed_at_the_default_size(small_run):
    """Memory is cold after a step, more so on one machine than on another: that is not work that was put off."""
    options = [option for name in engines.NAMES for option in ("--engine", name)]
    done = small_run(*DEFAULT_MODEL, "--rounds", 1, *options)
    run = store.load(pathlib.Path("results/small"))
    assert {run.status(cell)[0] for cell in run.cells} <= {"ok", "skipped"}, done.output


def test_c12_an_engine_that_becomes_unavailable_later_has_failed(small_run, tmp_path):
    text = (
        "from engines import EngineUnavailable\nSTEPS = []\ndef gone(loss):\n    STEPS.append(1)\n    if len(STEPS) > 9:\n"
        "        raise EngineUnavailable('gone')\n    BASE.backward(loss)\nENGINE = replace(backward=gone)"
    )
    run, cell, done = only(small_run, tmp_path, text, "--steps", "30", "--rounds", "1")
    assert done.exit_code == 1 and run.status(cell) == ("failed", "gone")
