"""A run on a pool: real schedulers and workers on loopback; machines that are gone, too late, or of another version."""

import collections
import contextlib
import dataclasses
import io
import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import sys
import time

import psutil
import pytest

import bench
from bench.host.measure import hands, pool, pool_machine, pool_round, pooled
from bench.host.stats.sequential import Gate
from bench.host.system import interpreters
from docs import pool_growth
from tests.host.conftest import SMALL

pytest.importorskip("distributed", reason='needs Dask: pip install "microgpt-bench[cluster]"')
pytestmark = pytest.mark.xdist_group("pool")
# as if the worker were on a machine of its own
PRELOAD = """
from bench.host.system import machine
machine.before = getattr(machine, "before", machine.describe)  # Dask may load this twice
machine.describe = lambda: {**machine.before(), "identity": "NAME", "cpu": "PROCESSOR"}
"""


class Cluster:
    """A scheduler and workers, each as if on a machine of its own, in processes of ours."""

    def __init__(self, folder, port=0, environment=()):
        self.folder, self.processes, self.environment = folder, {}, dict(environment)
        self.file, self.port = folder / "scheduler.json", port
        self.start_scheduler()
        self.address = json.loads(self.file.read_text())["address"]

    def start_scheduler(self):
        self.file.unlink(missing_ok=True)
        options = ["--host", "127.0.0.1", "--port", self.port, "--no-dashboard", "--scheduler-file", self.file]
        self.start("scheduler", *options, *(["--protocol", "tls"] if "DASK_CONFIG" in self.environment else []))
        until(self.file.is_file)
        self.mark = 0

    def start(self, name, *arguments, kind="scheduler", environment=()):
        log = open(self.folder / f"{name}.log", "ab")
        self.processes[name] = subprocess.Popen(
            [sys.executable, "-m", "dask", kind, *map(str, arguments)],
            stdout=log,
            stderr=log,
            cwd=self.folder,
            env={**os.environ, **self.environment, **dict(environment)},
        )

    def worker(self, name, *, measure=1, preload="", cpu="", port=0, environment=()):
        script = self.folder / f"{name}.py"
        script.write_text(PRELOAD.replace("PROCESSOR", cpu or f"Processor {name}").replace("NAME", name) + preload)
        options = ["--nthreads", 1, "--no-nanny", "--no-dashboard", "--host", "127.0.0.1", "--preload", script]
        options += ["--worker-port", port] if port else []
        options += ["--resources", f"measure={measure}"] if measure else []
        self.start(name, self.address, *options, kind="worker", environment=environment)

    def registered(self):
        """How many workers came since this test began."""
        return (self.folder / "scheduler.log").read_bytes()[self.mark :].count(b"Register worker")

    def kill(self, name):
        self.processes[name].kill()
        self.processes.pop(name).wait()

    def clear(self):
        """Without workers, for the next test."""
        for name in set(self.processes) - {"scheduler"}:
            self.kill(name)
        self.mark = (self.folder / "scheduler.log").stat().st_size

    def close(self):
        for name in list(self.processes):
            self.kill(name)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    yield made
    made.close()


@pytest.fixture
def cluster(shared, tmp_path, monkeypatch):
    monkeypatch.setenv("POOL_TESTED", str(tmp_path))
    yield shared
    shared.clear()


@pytest.fixture
def own_cluster(tmp_path, monkeypatch):
    """For tests that end the scheduler."""
    monkeypatch.setenv("POOL_TESTED", str(tmp_path))
    folder = tmp_path / "cluster"
    folder.mkdir()
    made = Cluster(folder, free_port())
    yield made
    made.close()


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


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
        "--budget",
        "1h",  # what is lost and measured again takes its time, on a busy machine above all
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


def whole(run, number, told=""):
    """Each of the plan's rounds is there once; ``told``: what the command said of it."""
    planned = collections.Counter(entry.planned or entry.number for entry in run.rounds)
    assert planned == collections.Counter(range(1, number + 1)), told
    assert [entry.number for entry in run.rounds] == list(range(1, number + 1)) and run.good()


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


def test_machines_measure_the_cells_they_can(cluster, options, bench_command):
    cluster.worker("one", preload=WITHOUT)
    cluster.worker("other")
    cluster.worker("idle", measure=0)
    until(lambda: cluster.registered() == 3)
    pythons = ["--python", f"first={sys.executable}", "--python", f"second={sys.executable}"]
    done = bench_command("run", "--cluster", cluster.address, *options[2:], *pythons, "--rounds", 4)
    assert done.exit_code == 0 and "without second" in done.stderr, done.output
    run = bench.load_run("pooled")
    whole(run, 4)
    assert {entry.machine["identity"] for entry in run.rounds} == {"one", "other"}
    for entry in run.rounds:
        runtimes = {name.partition("@")[2] for name in entry.cells}
        assert runtimes == ({"first"} if entry.machine["identity"] == "one" else {"first", "second"})
    assert run.speedup("fused_dot", "second").value > 0 and len(run.across("fused_dot", "first").machines) == 2
    assert "Processor one" in done.stdout and "speedup by machine" in done.stdout
    assert run.record.engines["fused_dot"].summary and run.nodes("fused_dot")
    assert run.samples(("reference", "first")) and pathlib.Path("results/pooled/timings/first.json").is_file()
    until(lambda: not measuring())


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


def test_a_machine_that_dies_loses_nothing_and_an_interrupt_ends_all(cluster, options, bench_command):
    cluster.worker("one")
    command = started(
        "run", "--cluster", cluster.address, *options, "--rounds", 15
    )  # more than a busy test sleeps through
    until(lambda: rounds() and measuring())
    cluster.kill("one")
    until(lambda: not measuring())
    before = len(rounds())
    cluster.worker("late")
    until(lambda: len(rounds()) > before and measuring())
    command.send_signal(signal.SIGINT)
    _, told = command.communicate(timeout=60)
    assert command.returncode == 130 and "rounds are kept" in told and "is measured again" in told, told
    until(lambda: not measuring(), 30)
    assert bench_command("run", "--resume", "pooled", "--cluster", cluster.address).exit_code == 0
    run = bench.load_run("pooled")
    whole(run, 15)
    assert {entry.machine["identity"] for entry in run.rounds} == {"one", "late"}


NOTHING_THERE = """
from bench.host.system.errors import UsageError
def refuse():
    raise UsageError("this machine is not well")
machine.describe = refuse
"""


def test_another_worker_at_the_same_address_measures_whatever_the_one_before_was(cluster, options):
    port = free_port()
    cluster.worker("one", port=port)
    command = started("run", "--cluster", cluster.address, *options, "--rounds", 8)
    until(lambda: rounds() and measuring())
    for preload in (NOTHING_THERE, ""):
        cluster.kill("one")
        until(lambda: not measuring())
        before = cluster.registered()
        cluster.worker("one", port=port, preload=preload)
        until(lambda: cluster.registered() > before)
        time.sleep(2)  # it is asked, and refused
    _, told = command.communicate(timeout=150)
    assert command.returncode == 0 and "this machine is not well" in told, told
    whole(bench.load_run("pooled"), 8, told)


DIES_WITH_ITS_ANSWER = """
import os
from bench.host.measure import pool_worker

def dask_setup(worker):
    def get_data(comm, **more):
        if pool_worker._kept_process is not None:  # a round is done, and its answer asked for
            os._exit(1)
        return before(comm, **more)
    before, worker.handlers["get_data"] = worker.handlers["get_data"], get_data
"""


def test_a_machine_that_dies_with_its_answer_is_not_waited_for(cluster, options):
    cluster.worker("one", preload=DIES_WITH_ITS_ANSWER)
    command = started("run", "--cluster", cluster.address, *options, "--rounds", 2)
    until(lambda: cluster.processes["one"].poll() is not None)
    cluster.worker("late")
    _, told = command.communicate(timeout=150)
    assert command.returncode == 0 and "its answer was lost with the machine" in told, told
    whole(bench.load_run("pooled"), 2)


@pytest.mark.slow
def test_kills_at_random_moments_lose_nothing_and_count_nothing_twice(cluster, options):
    cluster.worker("one")
    cluster.worker("other")
    command = started("run", "--cluster", cluster.address, *options, "--rounds", 12)
    moments = random.Random(1)
    for number in range(10):
        until(lambda: measuring() or command.poll() is not None, 180)
        time.sleep(moments.uniform(0.0, 1.5))
        if command.poll() is None:
            name = ("one", "other")[number % 2]
            cluster.kill(name)
            cluster.worker(name)
    _, told = command.communicate(timeout=150)
    assert command.returncode == 0 and "was lost" in told, told
    whole(bench.load_run("pooled"), 12, told)
    until(lambda: not measuring())


@pytest.mark.slow
def test_a_scheduler_that_comes_back_is_gone_on_with_and_one_that_does_not_keeps_what_is_done(own_cluster, options):
    own_cluster.worker("one")
    command = started("run", "--cluster", own_cluster.address, *options, "--rounds", 50, "--wait", "20s")
    until(lambda: rounds() and measuring())
    own_cluster.close()  # a worker ends with its scheduler, and whoever looks after it starts it again
    until(lambda: not measuring())
    before = len(rounds())
    own_cluster.start_scheduler()
    own_cluster.worker("one")
    until(lambda: len(rounds()) > before + 1 and measuring())
    own_cluster.kill("scheduler")
    _, told = command.communicate(timeout=120)
    said = " ".join(told.split())
    assert command.returncode == 2 and "was lost" in told and "--resume results/pooled" in said, told
    assert "Traceback" not in told, told
    whole(bench.load_run("pooled"), len(rounds()))
    until(lambda: not measuring())


@pytest.mark.parametrize("step", ["lacking", "keep", "measure"])
def test_a_connection_that_breaks_before_any_step_loses_nothing(cluster, options, bench_command, monkeypatch, step):
    """Dask's client closes itself at any moment, here just before it is asked for what a round needs."""

    def submit(self, address, name, *arguments, **more):
        if name == step and not broken:
            broken.append(self)
            self._client.close()
        return before(self, address, name, *arguments, **more)

    broken, before = [], pool.Pool.submit
    monkeypatch.setattr(pool.Pool, "submit", submit)
    cluster.worker("one")
    done = bench_command("run", "--cluster", cluster.address, *options, "--rounds", 2)
    assert done.exit_code == 0 and broken and "was lost (ClosedClientError): waiting for it" in done.stderr, done.output
    assert "distributed" not in done.stderr, done.stderr  # Dask's own words
    whole(bench.load_run("pooled"), 2)


HANGS = """
import time
from bench.host.measure import pool_worker
pool_worker.measure = lambda *_: time.sleep(600)
"""


@pytest.mark.slow
def test_a_machine_that_hangs_holds_nobody_up(cluster, options, bench_command, monkeypatch):
    monkeypatch.setattr(hands, "LATE_SECONDS", 2.0)
    cluster.worker("one", preload=HANGS)
    cluster.worker("other")
    until(lambda: cluster.registered() == 2)
    done = bench_command("run", "--cluster", cluster.address, *options, "--rounds", 4)
    assert done.exit_code == 0 and "is late, and" in done.stderr, done.output
    run = bench.load_run("pooled")
    whole(run, 4)
    assert {entry.machine["identity"] for entry in run.rounds} == {"other"}


@pytest.mark.slow
def test_a_client_that_is_killed_leaves_no_processes(cluster, options):
    cluster.worker("one")
    command = started("run", "--cluster", cluster.address, *options, "--rounds", 50)
    until(lambda: rounds() and measuring())
    command.kill()
    command.communicate()
    until(lambda: not measuring(), 30)


@pytest.mark.slow
def test_two_pools_never_measure_at_once_on_a_machine(cluster, own_cluster, options):
    both = []
    for one, name in ((cluster, "pooled"), (own_cluster, "second")):
        one.worker("one")
        both.append(started("run", "--cluster", one.address, *options[:-1], name, "--rounds", 3))
    most = 0
    while any(command.poll() is None for command in both):
        most = max(most, sum("bench.workload.worker" in line for line in measuring()))
        time.sleep(0.05)
    assert [command.communicate()[1] and command.returncode for command in both] == [0, 0]
    assert most == 2  # the two cells of one round


def test_a_check_by_machines_of_one_kind(cluster, options, bench_command):
    for name, cpu in (("one", "Alike"), ("other", "Alike"), ("odd", "")):
        cluster.worker(name, cpu=cpu)
    until(lambda: cluster.registered() == 3)
    pythons = ["--python", f"first={sys.executable}", "--against-python", f"same={sys.executable}"]
    done = bench_command("check", "--cluster", cluster.address, *pythons, "--data", options[3], *SMALL, "--steps", 2,
        "--engine", "fused_dot", "--threshold", "9", "--budget", "60s", "--name", "checked")  # fmt: skip
    assert done.exit_code == 0 and "PASS" in done.stdout, done.output
    assert "(Processor odd) is left out: this is measured by Alike only" in done.stderr, done.output
    run = bench.load_run("checked")
    assert {entry.machine["identity"] for entry in run.rounds} == {"one", "other"}
    assert len(run.rounds) in Gate().looks and [entry.number for entry in run.rounds] == list(
        range(1, len(run.rounds) + 1)
    )
    assert "measured by machine 1: Alike" in done.stdout
    # in its first round each machine has the reference, by which the others are proven
    references = [any("reference" in name for name in entry.cells) for entry in run.rounds]
    assert sum(references) == 2 and references[0]


@pytest.mark.slow
def test_each_machine_has_its_own_calibration(cluster, bench_command):
    cluster.worker("one")
    cluster.worker("other")
    until(lambda: cluster.registered() == 2)
    common = ["--cluster", cluster.address, "--python", sys.executable, "--engine", "compiled"]
    trials = ["--null-trials", 1, "--slowdown", "5", "--trials", 0, "--budget", "1s", "--limit", "60s"]
    done = bench_command("calibrate", *common, *trials)
    assert done.exit_code == 0 and done.stdout.count("What this machine can see") == 2, done.output
    kept = {path.stem: json.loads(path.read_text()) for path in pathlib.Path("results/calibration").glob("*.json")}
    assert {one["machine"]["identity"]: len(one["trials"]) for one in kept.values()} == {"one": 1, "other": 1}
    assert kept.keys() == {"one", "other"}
    done = bench_command("calibrate", *common, "--counts", 1)
    assert done.exit_code == 2 and "--counts without --cluster" in done.stderr


@pytest.mark.parametrize("command", ["check", "calibrate"])
def test_bad_addresses_of_the_gate(bench_command, command):
    for address, words in (
        ("", "--cluster is empty"),
        ("local:x", "write local:N"),
        ("ftp://x:1", "no Dask scheduler"),
    ):
        refused(bench_command(command, "--cluster", address, "--python", sys.executable), words)


@pytest.mark.parametrize("cut", [0, 3, 8, 20, -1])
def test_a_message_that_is_cut_off_is_an_end(cut):
    stream = io.BytesIO()
    pool_round.write(stream, {"order": list(range(100))})
    whole_message = stream.getvalue()
    assert pool_round.read(io.BytesIO(whole_message)) == {"order": list(range(100))}
    with pytest.raises(EOFError):
        pool_round.read(io.BytesIO(whole_message[:cut]))


def test_rounds_that_were_kept_are_not_held_in_memory():
    """Of 100 rounds of 102 cells, which take 27 MB, next to nothing."""
    memory = re.findall(r"(\d+) MB", pool_growth.held(pool_growth.RUN, 100))
    assert len(memory) == 4 and int(memory[-1]) - int(memory[0]) < 9


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


def test_bad_addresses(options, bench_command, monkeypatch):
    monkeypatch.setattr(pool, "CONNECT_SECONDS", 0.5)
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
