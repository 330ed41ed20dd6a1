"""A default run times steps from all over the training run, each from the run's own state there."""

import itertools
import json
import pathlib
import sys

import pytest

from bench.host.measure import trajectory
from bench.host.results import store
from bench.workload.config import Config
from bench.workload.trainer import Trainer
from bench.workload.worker import Worker
from tests.host.conftest import SMALL
from tests.workload.test_golden import SAME_LIBRARY, golden

ONE = ["--python", sys.executable, "--engine", "vector"]


def losses(run, engine="reference"):
    return run.losses(engine, next(iter(run.record.runtimes)))


@pytest.mark.skipif(not SAME_LIBRARY, reason="the recorded bits are of another C library")
def test_losses_are_those_of_microgpt_at_these_steps(bench_command, names_path):
    schedule = ["--schedule-steps", "1000", "--steps", "9"]  # the second of nine is within the recorded two hundred
    done = bench_command("run", *ONE, "--data", names_path, *schedule, "--rounds", "1", "--name", "spread")
    assert done.exit_code == 0, done.output
    run, recorded = store.load(pathlib.Path("results/spread")), golden("names-seed42-first200.losses.txt")
    early = [step for step in run.record.plan.at if step <= len(recorded)]
    assert len(early) >= 2
    assert losses(run)[: len(early)] == [recorded[step - 1] for step in early]
    assert "9 steps from all over a training run of 1000" in done.stdout


def test_states_are_the_training_runs(bench_command, documents):
    """Each loss is that of an engine that trained all the way."""
    done = bench_command("run", *ONE, "--data", documents, *SMALL, "--steps", "4", "--rounds", "1", "--name", "few")
    assert done.exit_code == 0, done.output
    run = store.load(pathlib.Path("results/few"))
    config = Config(**run.record.workload.config)
    trainer = Trainer("vector_exact", pathlib.Path(documents), config)
    trained = [trainer.step().loss for _ in range(run.record.plan.at[-1])]
    assert losses(run) == [trained[step - 1] for step in run.record.plan.at]
    assert {row["step"] for row in run.steps()} == set(run.record.plan.at)


LATE = """
import bench
from bench.workload.adam import Adam
from engines.reference import ENGINE

class Late(Adam):
    def update(self, t, *rest):
        if t > 400:
            self.parameters[0].grad *= 1.001
        super().update(t, *rest)

ENGINE = ENGINE.variant("late", "wrong after 400 steps", optimizer=Late)
"""


def test_an_engine_that_is_wrong_only_late_diverges(bench_command, documents):
    pathlib.Path("late.py").write_text(LATE)
    options = ["--python", sys.executable, "--engine", "late.py", "--data", documents, *SMALL, "--steps", "3"]
    done = bench_command("run", *options, "--rounds", "1", "--name", "all")
    assert done.exit_code == 1 and "parameters after step" in done.stdout, done.output
    first = bench_command("run", *options, "--rounds", "1", "--from-start", "--name", "first")
    assert first.exit_code == 0, first.output


def test_from_start_takes_the_first_steps(bench_command, documents):
    options = [*ONE, "--data", documents, *SMALL, "--from-start", "--steps", "2", "--rounds", "1", "--name", "first"]
    done = bench_command("run", *options)
    assert done.exit_code == 0 and "steps 1 to 2 of a schedule of 1000" in done.stdout
    assert store.load(pathlib.Path("results/first")).record.plan.at is None


def test_the_reference_does_each_of_few_steps_more_often(bench_command, documents):
    """Its noise is in every ratio. Of the steps of a whole run it does as many as the others."""
    options = ["--python", sys.executable, "--engine", "iterative", "--data", documents, *SMALL, "--min-time", "0.0001"]
    for name, more in (("few", ["--steps", "4"]), ("whole", ["--from-start", "--steps", "12"])):
        done = bench_command("run", *options, *more, "--rounds", "1", "--name", name)
        assert done.exit_code == 0, done.output
        cells = json.loads(next(pathlib.Path("results", name, "rounds").iterdir()).read_text())["cells"]
        once = {
            key.partition("@")[0]: [
                mean == own for mean, own in zip(cell["cpu_nanoseconds"], cell["own_nanoseconds"], strict=True)
            ]
            for key, cell in cells.items()
        }
        assert all(once["iterative"])
        assert not any(once["reference"]) if name == "few" else once["reference"].count(False) == 2  # the probed ones


def test_repeats_count_like_steps_where_that_is_asked(documents):
    """Their geometric mean, of clocks that say 1, 8 and 64; where a clock stood still, their mean."""

    def clock(*times):
        moments = [moment for end in itertools.accumulate(times) for moment in (end, end)]
        readings = itertools.chain([0], moments)  # one before each step, and one after it
        return lambda: next(readings, moments[-1])

    worker = Worker(lambda: "")
    worker.start({"engine": "vector", "documents": str(documents), "config": {}, "gc": "on"})
    order = {"repeats": 3, "nonce": "ab", "geometric": True}
    assert worker.step(order, wall=clock(1, 8, 64))["geometric_ns"] == pytest.approx(8)
    answer = worker.step(order, wall=clock(1, 0, 64))
    assert answer["geometric_ns"] == answer["ns"] == pytest.approx(65 / 3)
    assert "geometric_ns" not in worker.step({"repeats": 3, "nonce": "ab"})


def test_first_steps_have_no_lead_in(bench_command, documents):
    done = bench_command("run", *ONE, "--data", documents, *SMALL, "--from-start", "--lead-in", "3")
    assert done.exit_code == 2 and "give one of them" in done.stderr and done.stderr.count("\n") == 1


def test_a_short_schedule_is_timed_whole(bench_command, documents):
    options = [*ONE, "--data", documents, *SMALL, "--schedule-steps", "3", "--steps", "3", "--rounds", "1"]
    done = bench_command("run", *options, "--name", "whole")
    assert done.exit_code == 0, done.output
    plan = store.load(pathlib.Path("results/whole")).record.plan
    assert plan.at == [1, 2, 3] and not plan.aged


def test_processes_are_aged_unless_young_ones_are_wanted(bench_command, documents):
    options = [*ONE, "--data", documents, *SMALL, "--steps", "2", "--rounds", "1"]
    done = bench_command("run", *options, "--name", "aged")
    assert done.exit_code == 0 and "after aging and 6 untimed first steps" in " ".join(done.stdout.split()), done.output
    young = bench_command("run", *options, "--young", "--name", "young")
    assert young.exit_code == 0 and "aging" not in young.stdout, young.output
    records = [store.load(pathlib.Path("results", name)) for name in ("aged", "young")]
    assert [run.record.plan.aged for run in records] == [True, False] and losses(records[0]) == losses(records[1])
    compared = bench_command("compare", "aged", "young")
    assert compared.exit_code == 2 and "different workloads, steps" in compared.output, compared.output


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="allocators are CPython's")
def test_nothing_is_aged_where_a_runtime_has_another_allocator(bench_command, documents):
    """Its memory would not be as after a long run, and it would be held over one whose is."""
    options = [*ONE, "--data", documents, *SMALL, "--steps", "2", "--rounds", "1", "--env", "PYTHONMALLOC=malloc"]
    done = bench_command("run", *options, "--name", "malloc")
    assert done.exit_code == 0 and "processes are not aged: " in done.stderr, done.output
    assert "PYTHONMALLOC=malloc has not CPython's usual allocator" in " ".join(done.stderr.split())
    assert not store.load(pathlib.Path("results/malloc")).record.plan.aged
    quiet = bench_command("run", *options, "--name", "young", "--young")
    assert quiet.exit_code == 0 and "aged" not in quiet.stderr, quiet.output
    hooks = bench_command("run", *options[:-1], "PYTHONMALLOC=debug", "--name", "hooks")
    assert hooks.exit_code == 0 and store.load(pathlib.Path("results/hooks")).record.plan.aged, hooks.output


def test_first_steps_are_of_young_processes(bench_command, documents):
    done = bench_command("run", *ONE, "--data", documents, *SMALL, "--from-start", "--young")
    assert done.exit_code == 2 and "give one of them" in done.stderr and done.stderr.count("\n") == 1


def test_training_that_cannot_be_computed_is_timed_from_its_start(bench_command, documents):
    options = [*ONE, "--data", documents, *SMALL, "--learning-rate", "1e150", "--steps", "2", "--rounds", "1"]
    done = bench_command("run", *options, "--name", "wild")
    assert "the first steps are timed" in done.stderr
    assert store.load(pathlib.Path("results/wild")).record.plan.at is None


def test_resume_and_check_take_the_same_steps(bench_command, documents):
    options = [*ONE, "--data", documents, *SMALL, "--steps", "3", "--rounds", "2", "--name", "again"]
    assert bench_command("run", *options).exit_code == 0
    before = store.load(pathlib.Path("results/again"))
    max(pathlib.Path("results/again/rounds").iterdir()).unlink()
    resumed = bench_command("run", "--resume", "again")
    assert resumed.exit_code == 0, resumed.output
    assert losses(store.load(pathlib.Path("results/again"))) == losses(before)
    held = bench_command(
        "check",
        *ONE,
        "--data",
        documents,
        *SMALL,
        "--steps",
        "3",
        "--baseline",
        "again",
        "--budget",
        "3s",
        "--name",
        "c",
    )
    assert held.exit_code in (0, 1), held.output
    assert store.load(pathlib.Path("results/c")).record.plan.which == before.record.plan.which


def test_states_are_kept_and_a_damaged_file_is_computed_again(bench_command, documents, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    options = [*ONE, "--data", documents, *SMALL, "--steps", "2", "--rounds", "1"]
    assert bench_command("run", *options, "--name", "one").exit_code == 0
    [kept] = (tmp_path / "cache" / "microgpt-bench" / "trajectories").iterdir()
    kept.write_bytes(kept.read_bytes()[:-8])
    assert bench_command("run", *options, "--name", "two").exit_code == 0
    one, two = (json.loads(pathlib.Path("results", name, "run.json").read_text())["plan"] for name in ("one", "two"))
    assert one["states_sha256"] == two["states_sha256"]


@pytest.mark.parametrize("steps", [1, 2, 6, 40])
def test_steps_and_lengths_are_spread_evenly(names_path, steps):
    trainer = Trainer("compiled", names_path)
    at = trajectory.spread(trainer, steps)
    lengths = [len(trainer.documents[step - 1]) + 1 for step in at]
    whole = [len(document) + 1 for document in trainer.documents[:1000]]
    assert [(step - 1) * steps // 1000 for step in at] == list(range(steps))  # one in each part
    assert abs(sum(lengths) / steps - sum(whole) / len(whole)) < 0.5
