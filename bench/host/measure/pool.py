"""A pool of machines that Dask schedules: who is there, what each has, and a round at a time for each.

Dask's workers that announce the resource ``measure=1`` measure; `pool_worker` is what they do, `pooled` hands out the
rounds. Only this module and that one know Dask (``distributed``), which is imported where a pool is asked for.

Sources: https://distributed.dask.org/en/stable/resources.html
"""

from __future__ import annotations

import collections
import contextlib
import importlib
import inspect
import logging
import pickle
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from bench.host.measure.pool_machine import Machine
from bench.host.results.records import RuntimeRecord
from bench.host.system.errors import UsageError

RESOURCE = "measure"
CONNECT_SECONDS, ANSWER_SECONDS = 5.0, 120.0
POLL_SECONDS = 0.1
LOGS = ("distributed", "distributed.client", "distributed.gc")  # each has a level of its own
MISSING = 'a pool needs Dask: python -m pip install "microgpt-bench[cluster]"'


def remote(name: str, arguments: bytes) -> bytes:
    """Call a function of `pool_worker` there, with pickled arguments; ("error", line) where that cannot be.

    It is sent by value, as neither the scheduler nor every worker need have this package.
    """
    import importlib
    import pickle

    try:
        errors = importlib.import_module("bench.host.system.errors")
        module = importlib.import_module("bench.host.measure.pool_worker")
    except ImportError as why:
        return pickle.dumps(("error", f"it has no microgpt-bench of this version ({why}): install it there"))
    try:
        return pickle.dumps(("done", getattr(module, name)(*pickle.loads(arguments))))
    except (errors.UsageError, OSError) as why:
        return pickle.dumps(("error", str(why)))
    except (AttributeError, TypeError, pickle.UnpicklingError) as why:
        return pickle.dumps(("error", f"it has another version of microgpt-bench ({why}): install the same one"))
    except Exception as why:  # Dask loses one that it can't pickle
        return pickle.dumps(("error", f"{type(why).__name__}: {why}"))


remote.__module__ = "__main__"  # pickled by value


class Lost(UsageError):
    """There is no scheduler any more."""


class Pool:
    """A context manager: the connection to a scheduler, ADDRESS, or to one of our own with N workers here, ``local:N``."""

    def __init__(self, address: str, wait: float, version: str) -> None:
        self.address, self.wait, self.version = address, wait, version
        self.machines: dict[str, Machine] = {}
        self.refused: dict[str, str] = {}  # by worker, why it measures nothing
        self._stack = contextlib.ExitStack()
        self._survey: tuple[Any, ...] = ()
        self._asked: dict[str, Any] = {}  # by worker, the future of its survey: a busy one answers later
        self._kind: tuple[str, ...] | None = None  # the only one that counts

    def __enter__(self) -> Self:
        try:
            self._distributed: Any = importlib.import_module("distributed")
        except ImportError:
            raise UsageError(MISSING) from None
        for name in LOGS:
            logging.getLogger(name).setLevel(logging.CRITICAL)  # what goes wrong is said in a line, here
        with contextlib.ExitStack() as until_done:
            self._scheduler = self._start(until_done) if self.address.startswith("local") else self.address
            if not self.address.strip():
                raise UsageError("--cluster is empty: give a scheduler's address, as in tcp://HOST:8786, or local:2")
            self._connect()
            until_done.callback(lambda: _close(self._client))
            self._check_versions()
            self._stack = until_done.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._stack.close()

    def _start(self, stack: contextlib.ExitStack) -> Any:
        """A scheduler with workers of our own, here."""
        count = self.address.removeprefix("local").removeprefix(":")
        there = count.isascii() and count.isdecimal() and 1 <= int(count) <= 1000
        if not there or not self.address.startswith("local:"):
            raise UsageError(f"--cluster {self.address}: write local:N, as in local:2")
        return stack.enter_context(
            self._distributed.LocalCluster(
                n_workers=int(count),
                threads_per_worker=1,
                resources={RESOURCE: 1},
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",  # None takes port 8787 nevertheless, and warns where it is taken
                silence_logs=logging.CRITICAL,
            )
        )

    def _connect(self) -> None:
        # in two steps: where the second one fails, the first one's object waits for an end that never comes, and says so
        self._client = self._distributed.Client.__new__(self._distributed.Client)
        try:
            self._client.__init__(self._scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
        except Exception as why:  # whatever Dask makes of an address that is none
            self._client.status = "closed"
            told = " ".join(str(why).split())[:200] or type(why).__name__
            raise UsageError(
                f"no Dask scheduler answers at {self.address} ({told}): start one with: dask scheduler"
            ) from None

    def connect_again(self) -> None:
        """After a scheduler that is gone, to the next one at its address. Raises UsageError for none in time."""
        _close(self._client)
        self.machines, self.refused, self._asked = {}, {}, {}
        end = time.monotonic() + self.wait
        while True:
            try:
                self._connect()
                self._check_versions()
                return
            except UsageError as why:
                if time.monotonic() > end:
                    raise UsageError(f"the scheduler is gone: {why}") from None
            time.sleep(1)

    def _check_versions(self) -> None:
        ours = self._distributed.__version__
        try:
            versions = self._client.get_versions()
        except Exception as why:  # whatever another version makes of the question
            raise UsageError(
                f"the scheduler at {self.address} does not understand distributed {ours} ({type(why).__name__}): install"
                " the same version here and there"
            ) from None
        told = {"the scheduler": versions["scheduler"], **versions["workers"]}
        for who, about in told.items():
            theirs = (about or {}).get("packages", {}).get("distributed", ours)
            if theirs != ours:
                raise UsageError(
                    f"{who} at {self.address} has distributed {theirs}, and this is {ours}: install the same"
                )

    # ----------------------------------------------------------------- machines

    def announced(self) -> list[str]:
        """The addresses of the workers that measure. Raises Lost where the scheduler is gone."""
        asked = {"n_workers": -1} if "n_workers" in inspect.signature(self._client.scheduler_info).parameters else {}
        try:
            if self._client.status != "running":
                raise OSError(f"it is {self._client.status}")
            workers = self._client.scheduler_info(**asked)["workers"]
        except Exception as why:  # of whatever kind: a connection that broke in the middle
            raise self._lost(why) from None
        return [address for address, about in workers.items() if about.get("resources", {}).get(RESOURCE, 0) >= 1]

    def _lost(self, why: Exception) -> Lost:
        return Lost(f"the connection to the scheduler at {self.address} was lost ({type(why).__name__})")

    def join(self, pythons: Sequence[str], switches: Sequence[str], again: Mapping[str, RuntimeRecord] | None) -> None:
        """Ask the machines that are there what they have, and wait for the first to come. Raises UsageError for none."""
        self._survey = list(pythons), list(switches), again
        began = time.monotonic()
        # all that are there: the plan is made of what they have
        while (not self.look() or self._asked) and time.monotonic() - began < self.wait:
            if self.refused and not self.machines and not self._asked:
                break
            time.sleep(POLL_SECONDS)
        if not self.machines:
            told = next(iter(self.refused.values()), "")
            hint = f"start one with: dask worker {self.address} --nthreads 1 --resources {RESOURCE}=1"
            raise UsageError(told or f"no machine that measures joined {self.address} within {self.wait:g} s: {hint}")

    def look(self) -> list[Machine]:
        """The machines that are there now; those that came since the last look are asked what they have.

        Raises Lost where the scheduler is gone.
        """
        there = self.announced()
        for known in (self.machines, self.refused, self._asked):  # another worker may come at the same address
            for address in [address for address in known if address not in there]:
                del known[address]
        for address in there:
            if address in self.machines or address in self.refused:
                continue
            if address not in self._asked:
                self._asked[address] = self.submit(address, "survey", *self._survey)
            if self._asked[address].done():
                self._join(address)
        return list(self.machines.values())

    def _join(self, address: str) -> None:
        """Take in a machine that said what it has, or refuse it."""
        future = self._asked.pop(address)
        try:
            about = self.answer(future, address)
            if about["version"] != self.version:
                raise UsageError(
                    f"it has microgpt-bench {about['version']}, and this is {self.version}: install the same"
                )
            self.machines[address] = Machine(address, about)
            self._leave_out(address)
        except UsageError as why:
            self.refused[address] = f"{address} measures nothing: {why}"

    def keep_one_kind(self) -> list[str]:
        """From now on only machines of one kind count, that of most; and a line for each that does not."""
        kinds = collections.Counter(machine.kind for machine in self.machines.values())
        self._kind = max(kinds, key=kinds.__getitem__)
        for address in list(self.machines):
            self._leave_out(address)
        return list(self.refused.values())

    def _leave_out(self, address: str) -> None:
        machine = self.machines[address]
        if self._kind is not None and machine.kind != self._kind:
            del self.machines[address]
            self.refused[address] = f"{machine} is left out: this is measured by {self._kind[0]} only"

    def send(self, machine: Machine, files: Mapping[str, bytes], manifest: Mapping[str, str]) -> bool:
        """Send a machine what it lacks of the files, by path: whether it has all; ask again where not.

        Raises UsageError where it cannot be sent, Lost where the scheduler is gone.
        """
        if machine.ready:
            return True
        if machine.step is None:
            machine.step = self.submit(machine.address, "lacking", manifest)
        if not machine.step.done():
            return False
        step, machine.step = machine.step, None
        if missing := self.answer(step, machine.address):
            contents = {manifest[path]: content for path, content in files.items()}
            machine.step = self.submit(machine.address, "keep", {digest: contents[digest] for digest in missing})
        else:  # it lacks nothing, or has kept what was sent
            machine.ready = True
        return machine.ready

    # ----------------------------------------------------------------- calls

    def submit(self, address: str, name: str, *arguments: Any, **more: Any) -> Any:
        """A future of what a machine does. Raises Lost where the scheduler is gone."""
        said = pickle.dumps(arguments)
        try:
            return self._client.submit(remote, name, said, workers=[address], pure=False, **more)
        except Exception as why:  # of whatever kind, as in `announced`
            raise self._lost(why) from None

    def round(self, address: str, *arguments: Any) -> Any:
        """A future of a round measured there, when nobody else's is. Raises Lost where the scheduler is gone."""
        return self.submit(address, "measure", *arguments, resources={RESOURCE: 1})

    def answer(self, future: Any, address: str) -> Any:
        """What a future that is done says, of the machine at an address. Raises UsageError for what went wrong there, or on the way."""
        if future.status != "finished":
            why = future.exception() if future.status == "error" else None
            raise UsageError(f"it was lost ({type(why).__name__ if why else future.status})")
        kind, said = pickle.loads(self._fetched(future, address))
        if kind == "error":
            raise UsageError(said)
        return said

    def _fetched(self, future: Any, address: str) -> bytes:
        """The answer itself, which lies with its machine: Dask waits for that of a dead one to be computed anew."""
        end, patience = time.monotonic() + ANSWER_SECONDS, 1.0
        while True:
            try:
                return bytes(future.result(timeout=patience))
            except TimeoutError:
                if address not in self.announced():
                    raise UsageError("its answer was lost with the machine") from None
                if time.monotonic() > end:
                    raise UsageError(f"its answer did not arrive within {ANSWER_SECONDS:g} s") from None
                patience *= 2  # one that takes long to send begins anew each time
            except Exception as why:
                raise UsageError(f"its answer was lost ({type(why).__name__})") from None

    def cancel(self, futures: Sequence[Any]) -> None:
        """Nobody wants these any more: their processes end."""
        with contextlib.suppress(Exception):  # a connection that is gone cancels too
            self._client.cancel(list(futures), force=True)


def _close(client: Any) -> None:
    with contextlib.suppress(Exception):
        client.close(timeout=5)
