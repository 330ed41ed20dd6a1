"""Faults of a pool that loopback does not have: a link that is cut, a full disk, TLS. Machines are namespaces, where root may make them."""

import json
import pathlib
import subprocess
import sys
import time

import pytest

import bench
from docs.namespaces import Namespaces, possible
from tests.host.conftest import SMALL
from tests.host.test_pool import Cluster, options, rounds, started, until, whole  # noqa: F401 - a fixture too

pytest.importorskip("distributed", reason='needs Dask: pip install "microgpt-bench[cluster]"')
pytestmark = [pytest.mark.xdist_group("pool"), pytest.mark.slow]
namespaces = pytest.mark.skipif(not possible(), reason="needs root, and namespaces of Linux")


@pytest.fixture
def machines(tmp_path):
    """Two of them; a connection that says nothing is given up soon."""
    folder = tmp_path / "machines"
    folder.mkdir()
    with Namespaces(folder, environment=[("DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP", "12s")]) as made:
        made.add("one")
        made.add("other")
        yield made


@namespaces
def test_a_link_that_is_cut_loses_nothing(machines, options, monkeypatch):  # noqa: F811
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP", "12s")
    command = started("run", "--cluster", machines.address, *options, "--rounds", 12)
    until(lambda: len(rounds()) > 1)
    machines.cut("one")
    before = len(rounds())
    until(lambda: len(rounds()) > before + 3)
    machines.mend("one")
    _, told = command.communicate(timeout=150)
    assert command.returncode == 0, told
    whole(bench.load_run("pooled"), 12)
    assert len({entry.machine["identity"] for entry in bench.load_run("pooled").rounds}) == 2


@namespaces
def test_a_full_disk_there_is_said_and_the_others_measure(machines, options, tmp_path):  # noqa: F811
    machines.kill("one")
    full = machines.folder / "one"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", full], check=True)
    try:
        machines.start_worker("one")
        time.sleep(5)
        command = started("run", "--cluster", machines.address, *options, "--rounds", 4)
        _, told = command.communicate(timeout=150)
        machines.kill("one")
    finally:
        subprocess.run(["umount", full], check=True)
    assert command.returncode == 0 and "No space left" in told and "gets no more rounds" in told, told
    whole(bench.load_run("pooled"), 4)
    assert len({entry.machine["identity"] for entry in bench.load_run("pooled").rounds}) == 1


def certificate(folder):
    """A key and a certificate that is its own authority: the folder of Dask's configuration that names them."""
    key, made = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=pool",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", made],
        check=True, capture_output=True,
    )  # fmt: skip
    one = {"cert": str(made), "key": str(key)}
    tls = {"ca-file": str(made), **dict.fromkeys(("client", "scheduler", "worker"), one)}
    (folder / "dask.yaml").write_text(json.dumps({"distributed": {"comm": {"require-encryption": True, "tls": tls}}}))
    return folder


def test_tls_by_dask_s_own_configuration(tmp_path, monkeypatch, documents):
    folder = certificate(tmp_path)
    cluster = Cluster(tmp_path, environment={"DASK_CONFIG": str(folder)})
    try:
        assert cluster.address.startswith("tls://")
        cluster.worker("one")
        run = [sys.executable, "-m", "microgpt_bench", "run", "--cluster", cluster.address, "--data", documents, *SMALL]
        run += [
            "--steps",
            "2",
            "--rounds",
            "1",
            "--engine",
            "fused_dot",
            "--python",
            sys.executable,
            "--name",
            "pooled",
        ]
        refused = subprocess.run(run, capture_output=True, text=True)
        assert refused.returncode == 2 and refused.stderr.count("\n") == 1 and "TLS" in refused.stderr
        assert not pathlib.Path("results").exists()
        monkeypatch.setenv("DASK_CONFIG", str(folder))
        done = subprocess.run(run, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    finally:
        cluster.close()
    whole(bench.load_run("pooled"), 1)
