"""A run on a pool: real schedulers and workers on loopback; machines that are gone, too late, or of another version."""

import collections
import contextlib
import dataclasses
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import psutil
import pytest

import bench
from bench.host.measure import pool_machine, pooled
from bench.host.system import interpreters
from tests.host.conftest import SMALL

pytest.importorskip("distributed", reason='needs Dask: pip install "microgpt-bench[cluster]"')
pytestmark = pytest.mark.xdist_group("pool")
# as if the worker were on a machine of its own
PRELOAD = """
from bench.host.system import machine
machine.before = getattr(machine, "before", machine.describe)  # Dask may load this twice
machine.describe = lambda: {**machine.before(), "identity": "NAME", "cpu": "Processor NAME"}
"""


class Cluster:
    """A scheduler and workers, each as if on a machine of its own, in processes of ours."""

    def __init__(self, folder):
        self.folder, self.processes = folder, {}
        self.file = folder / "scheduler.json"
        self.start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", self.file)
        until(self.file.is_file)
        self.address = json.loads(self.file.read_text())["address"]

    def start(self, name, *arguments, kind="scheduler", environment=()):
        log = open(self.folder / f"{name}.log", "wb")
        self.processes[name] = subprocess.Popen(
            [sys.executable, "-m", "dask", kind, *map(str, arguments)],
            stdout=log,
            stderr=log,
            cwd=self.folder,
            env={**os.environ, **dict(environment)},
        )

    def worker(self, name, *, measure=1, preload="", environment=()):
        script = self.folder / f"{name}.py"
        script.write_text(PRELOAD.replace("NAME", name) + preload)
        options = ["--nthreads", 1, "--no-nanny", "--no-dashboard", "--host", "127.0.0.1", "--preload", script]
        options += ["--resources", f"measure={measure}"] if measure else []
        self.start(name, self.address, *options, kind="worker", environment=environment)

    def kill(self, name):
        self.processes[name].kill()
        self.processes.pop(name).wait()

    def close(self):
        for name in list(self.processes):
            self.kill(name)


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    monkeypatch.setenv("POOL_TESTED", str(tmp_path))
    folder = tmp_path / "cluster"
    folder.mkdir()
    made = Cluster(folder)
    yield made
    made.close()


@pytest.fixture
def options(documents):
    return [
        "--python",
        sys.executable,
        "--data",
        documents,
        *SMALL,
        "--steps",
        "2",
        "--engine",
        "fused_dot",
        "--name",
        "pooled",
    ]


def until(true, seconds=60):
    """Wait for something, or fail."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.1)


def started(*arguments):
    """The command line in a process of its own, whose end a test does not wait for."""
    return subprocess.Popen(
        [sys.executable, "-m", "microgpt_bench", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(pathlib.Path(bench.__file__).parents[1])},
    )


def rounds():
    return sorted(pathlib.Path("results/pooled/rounds").glob("[0-9]*.json"))


def measuring():
    """What the test's workers of Dask started: the processes of rounds, and the workers of engines."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        with contextlib.suppress(psutil.Error):
            ours = "pool_round" in line or "bench.workload.worker" in line
            if ours and process.environ().get("POOL_TESTED") == os.environ["POOL_TESTED"]:
                found.append(line)
    return found


def whole(run, number):
    """Each of the plan's rounds is there once."""
    planned = collections.Counter(entry.planned or entry.number for entry in run.rounds)
    assert planned == collections.Counter(range(1, number + 1))
    assert [entry.number for entry in run.rounds] == list(range(1, number + 1)) and run.good()


def test_two_machines(cluster, options, bench_command):
    cluster.worker("one")
    cluster.worker("other")
    cluster.worker("idle", measure=0)
    done = bench_command("run", "--cluster", cluster.address, *options, "--rounds", 4, "--wait", "60s")
    assert done.exit_code == 0, done.output
    run = bench.load_run("pooled")
    whole(run, 4)
    machines = collections.Counter(entry.machine["identity"] for entry in run.rounds)
    assert set(machines) <= {"one", "other"}
    if len(machines) == 2:  # unless one of them came when all was done
        assert "Processor one" in done.stdout and "speedup by machine" in done.stdout
        (runtime,) = run.record.runtimes
        assert len(run.across("fused_dot", runtime).machines) == 2
    assert (
        run.record.engines["fused_dot"].summary
        and run.nodes("fused_dot")
        and run.samples(("reference", runtime_of(run)))
    )
    until(lambda: not measuring())


def runtime_of(run):
    (runtime,) = run.record.runtimes
    return runtime


@pytest.mark.slow
def test_local_workers_and_going_on_without_them(options, bench_command):
    done = bench_command("run", "--cluster", "local:2", *options, "--rounds", 2)
    assert done.exit_code == 0, done.output
    whole(bench.load_run("pooled"), 2)
    path = pathlib.Path("results/pooled/run.json")
    content = json.loads(path.read_text())
    content["plan"]["rounds"] = 3
    path.write_text(json.dumps(content))
    assert bench_command("run", "--resume", "pooled").exit_code == 0
    whole(bench.load_run("pooled"), 3)
    content["plan"]["rounds"] = 4
    content["engines"] = json.loads(path.read_text())["engines"]
    path.write_text(json.dumps(content))
    assert bench_command("run", "--resume", "pooled", "--cluster", "local:1").exit_code == 0
    whole(bench.load_run("pooled"), 4)


def test_a_machine_that_dies_loses_nothing(cluster, options):
    cluster.worker("one")
    command = started("run", "--cluster", cluster.address, *options, "--rounds", 3)
    until(lambda: rounds() and measuring())
    cluster.kill("one")
    until(lambda: not measuring())
    cluster.worker("late")
    _, told = command.communicate(timeout=120)
    assert command.returncode == 0, told
    run = bench.load_run("pooled")
    whole(run, 3)
    assert {entry.machine["identity"] for entry in run.rounds} == {"one", "late"}
    assert "was lost, and is measured again" in told


@pytest.mark.slow
def test_kills_at_random_moments_lose_nothing_and_count_nothing_twice(cluster, options):
    cluster.worker("one")
    cluster.worker("other")
    command = started("run", "--cluster", cluster.address, *options, "--rounds", 12)
    moments = random.Random(1)
    for number in range(10):
        until(lambda: measuring() or command.poll() is not None)
        time.sleep(moments.uniform(0.0, 2.0))
        if command.poll() is None:
            name = ("one", "other")[number % 2]
            cluster.kill(name)
            cluster.worker(name)
    _, told = command.communicate(timeout=150)
    assert command.returncode == 0 and "was lost" in told, told
    whole(bench.load_run("pooled"), 12)
    until(lambda: not measuring())


@pytest.mark.slow
def test_a_scheduler_that_dies_keeps_what_is_done(cluster, options, bench_command):
    cluster.worker("one")
    command = started("run", "--cluster", cluster.address, *options, "--rounds", 50)
    until(lambda: rounds() and measuring())
    cluster.kill("scheduler")
    _, told = command.communicate(timeout=120)
    assert command.returncode == 2 and "was lost" in told and "--resume results/pooled" in told.replace("\n", " "), told
    kept = len(rounds())
    assert kept and len(bench.load_run("pooled").rounds) == kept
    until(lambda: not measuring())


def test_an_interrupt_ends_the_processes_everywhere(cluster, options):
    cluster.worker("one")
    command = started("run", "--cluster", cluster.address, *options, "--rounds", 50)
    until(lambda: rounds() and measuring())
    command.send_signal(signal.SIGINT)
    _, told = command.communicate(timeout=60)
    assert command.returncode == 130 and "rounds are kept" in told
    until(lambda: not measuring(), 30)
    assert bench.load_run("pooled").rounds


@pytest.mark.slow
def test_a_client_that_is_killed_leaves_no_processes(cluster, options):
    cluster.worker("one")
    command = started("run", "--cluster", cluster.address, *options, "--rounds", 50)
    until(lambda: rounds() and measuring())
    command.kill()
    command.communicate()
    until(lambda: not measuring(), 30)


@pytest.mark.slow
def test_one_round_at_a_time_on_a_machine(cluster, options):
    """Two pools' clients, and two workers of one machine: never two rounds at once."""
    cluster.worker("one")
    both = [
        started("run", "--cluster", cluster.address, *options[:-1], name, "--rounds", 3)
        for name in ("pooled", "second")
    ]
    most = 0
    while any(command.poll() is None for command in both):
        most = max(most, sum("pool_round" in line for line in measuring()))
        time.sleep(0.05)
    assert [command.communicate()[1] and command.returncode for command in both] == [0, 0] and most == 1


WITHOUT = """
from bench.host.system import interpreters
from bench.host.system.errors import UsageError
interpreters.before = getattr(interpreters, "before", interpreters.resolve)
def resolve(specification, switches):
    if specification.startswith("second="):
        raise UsageError("there is no second here")
    return interpreters.before(specification, switches)
interpreters.resolve = resolve
"""


def test_a_machine_without_an_interpreter_gets_no_cells_of_it(cluster, options, bench_command):
    cluster.worker("one", preload=WITHOUT)
    cluster.worker("other")
    until(
        lambda: (
            "Register worker" in (log := (cluster.folder / "scheduler.log").read_text()) and log.count("Register") > 1
        )
    )
    pythons = ["--python", f"first={sys.executable}", "--python", f"second={sys.executable}"]
    done = bench_command("run", "--cluster", cluster.address, *options[2:], *pythons, "--rounds", 3)
    assert done.exit_code == 0 and "without second" in done.stderr, done.output
    run = bench.load_run("pooled")
    whole(run, 3)
    for entry in run.rounds:
        runtimes = {name.partition("@")[2] for name in entry.cells}
        assert runtimes == ({"first"} if entry.machine["identity"] == "one" else {"first", "second"})
    assert run.speedup("fused_dot", "second").value > 0 and len(run.across("fused_dot", "first").machines) == 2


def test_what_no_machine_has_is_refused(cluster, options, bench_command, tmp_path):
    cluster.worker("one")
    done = bench_command("run", "--cluster", cluster.address, *options, "--python", tmp_path / "none", "--rounds", 1)
    refused(done, f"no machine of the pool has {tmp_path / 'none'}")


def test_one_name_for_two_builds_is_two_columns():
    runtime = interpreters.resolve(sys.executable, {})
    other = dataclasses.replace(runtime, described={**runtime.described, "compiler": "another"})
    about = {"machine": {"identity": "x", "cpu": "Processor"}, "missing": []}
    machines = [
        pool_machine.Machine(str(n), {**about, "runtimes": [one]}) for n, one in enumerate((runtime, other, runtime))
    ]
    found, notes = pooled.runtimes_of(machines)
    assert [one.name for one in found] == [runtime.name, f"{runtime.name}#2"]
    assert notes == [f"{runtime.name} is built differently on 1 (Processor): kept apart as {runtime.name}#2"]


def refused(done, words):
    assert done.exit_code == 2 and words in done.stderr, done.output
    assert done.stderr.count("\n") == 1 and not pathlib.Path("results").exists()


def test_bad_addresses(options, bench_command):
    refused(bench_command("run", "--cluster", "local:x", *options), "write local:N")
    refused(bench_command("run", "--cluster", "tcp://127.0.0.1:9", *options), "no Dask scheduler answers")
    refused(bench_command("run", "--cluster", "nonsense://x", *options), "no Dask scheduler answers")
    refused(bench_command("run", "--cluster", "local:1", "--part", "1/2", *options), "give one of them")


def test_a_pool_without_machines(cluster, options, bench_command):
    cluster.worker("idle", measure=0)
    refused(
        bench_command("run", "--cluster", cluster.address, *options, "--wait", "1s"), "no machine that measures joined"
    )


def test_a_machine_of_another_version(cluster, options, bench_command):
    preload = "import importlib.metadata as m\nm.old = getattr(m, 'old', m.version)\nm.version = lambda name: '0.0.9' if name == 'microgpt-bench' else m.old(name)\n"
    cluster.worker("one", preload=preload)
    refused(bench_command("run", "--cluster", cluster.address, *options, "--wait", "20s"), "has microgpt-bench 0.0.9")


def test_a_scheduler_of_another_dask(cluster, options, bench_command, monkeypatch):
    import distributed

    monkeypatch.setattr(distributed, "__version__", "1.2.3")
    done = bench_command("run", "--cluster", cluster.address, *options)
    refused(done, f"has distributed {json.loads(json.dumps(theirs()))}, and this is 1.2.3")


def theirs():
    from importlib import metadata

    return metadata.version("distributed")


def test_without_dask(options, bench_command, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    refused(bench_command("run", "--cluster", "local:1", *options), 'pip install "microgpt-bench[cluster]"')


def test_dask_is_not_imported_without_a_pool():
    code = "import sys, bench; bench.measure; import bench.cli.run; assert 'distributed' not in sys.modules and 'dask' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
