"""Machines made of Linux namespaces, each with a network, a host name and a folder of temporary files of its own; needs root.

    python -m docs.namespaces 3 -- microgpt-bench run --cluster tcp://10.83.0.1:8786 --rounds 12

runs a command beside a Dask scheduler and so many measuring workers, each in such a machine. `docs/pool_growth.py` measures with it,
tests cut its links. They share the processors: what two machines measure at once on two of them is disturbed a little.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

BRIDGE, NETWORK, PORT = "pool-bridge", "10.83.0", 8786


def possible() -> bool:
    """Whether namespaces can be made here."""
    if (
        not sys.platform.startswith("linux")
        or os.geteuid() != 0
        or not shutil.which("ip")
        or not shutil.which("unshare")
    ):
        return False
    name = f"pool-try-{os.getpid()}"
    tried = [("ip", "netns", "add", name), ("ip", "netns", "exec", name, "unshare", "--uts", "true")]
    tried += [("ip", "link", "add", "pool-try", "type", "bridge"), ("ip", "link", "del", "pool-try")]
    done = [subprocess.run(command, capture_output=True, check=False).returncode for command in tried]
    subprocess.run(("ip", "netns", "del", name), capture_output=True, check=False)
    return not any(done)


class Namespaces:
    """A context manager: a bridge, with a scheduler on this side of it and machines on the other.

    ``folder``: of logs and of the machines' temporary files; ``shared``: these are in one folder, so that machines measure in turns.
    """

    def __init__(self, folder: pathlib.Path, shared: bool = False, environment: Sequence[tuple[str, str]] = ()) -> None:
        """Nothing is started yet."""
        self.folder, self.shared, self.environment = folder, shared, dict(environment)
        self.address = f"tcp://{NETWORK}.1:{PORT}"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.names: list[str] = []

    def __enter__(self) -> Self:
        """The bridge and the scheduler; machines are added."""
        _ip("link", "add", BRIDGE, "type", "bridge")
        _ip("addr", "add", f"{NETWORK}.1/24", "dev", BRIDGE)
        _ip("link", "set", BRIDGE, "up")
        self.start_scheduler()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """Everything ends."""
        for name in list(self.processes):
            self.kill(name)
        for name in self.names:
            _ip("netns", "del", name)
        with contextlib.suppress(subprocess.CalledProcessError):
            _ip("link", "del", BRIDGE)

    def start_scheduler(self) -> None:
        """At the address, which a scheduler that was killed leaves free."""
        self._start("scheduler", "scheduler", "--host", f"{NETWORK}.1", "--port", str(PORT), "--no-dashboard")
        end = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError), socket.create_connection((f"{NETWORK}.1", PORT), 1):
                return
            if time.monotonic() > end:
                raise TimeoutError("the scheduler does not start")
            time.sleep(0.1)

    def add(self, name: str, *options: str) -> None:
        """One more machine, with a worker that measures."""
        number = len(self.names) + 2
        _ip("netns", "add", name)
        self.names.append(name)
        _ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("link", "set", name, "master", BRIDGE, "up")
        for command in (
            ("addr", "add", f"{NETWORK}.{number}/24", "dev", "eth0"),
            ("link", "set", "eth0", "up"),
            ("link", "set", "lo", "up"),
        ):
            _ip("-n", name, *command)
        self.start_worker(name, *options)

    def start_worker(self, name: str, *options: str) -> None:
        """The worker of a machine that has none."""
        place = self.folder / ("temporary" if self.shared else name)
        place.mkdir(exist_ok=True)
        inside = f'hostname {name} && exec "$0" "$@"'
        host = f"{NETWORK}.{self.names.index(name) + 2}"
        self._start(
            *(name, "worker", self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", host),
            *("--resources", "measure=1", "--local-directory", str(place), *options),
            before=("ip", "netns", "exec", name, "unshare", "--uts", "sh", "-c", inside),
            environment={"TMPDIR": str(place)},
        )

    def cut(self, name: str) -> None:
        """The machine's link, as a cable that is pulled."""
        _ip("link", "set", name, "down")

    def mend(self, name: str) -> None:
        """The link is up again."""
        _ip("link", "set", name, "up")

    def kill(self, name: str) -> None:
        """A scheduler or a worker, as a power cut does."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def _start(self, name: str, kind: str, *arguments: str, before: Sequence[str] = (), **more: Any) -> None:
        environment = {**os.environ, **self.environment, **more.get("environment", {})}
        with open(self.folder / f"{name}.log", "ab") as log:
            self.processes[name] = subprocess.Popen(
                [*before, sys.executable, "-m", "dask", kind, *arguments],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=environment,
            )


def _ip(*arguments: str) -> None:
    subprocess.run(("ip", *arguments), check=True, capture_output=True)


def main() -> int:
    """Machines, and a command beside them: its exit status."""
    count, command = int(sys.argv[1]), sys.argv[sys.argv.index("--") + 1 :]
    with tempfile.TemporaryDirectory() as folder, Namespaces(pathlib.Path(folder), shared=True) as machines:
        for number in range(1, count + 1):
            machines.add(f"machine{number}")
        return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
