"""The worker: one engine in the interpreter under test, doing what the host orders, one order at a time.

The host writes one JSON object a line on standard input and reads one back:

    {"do": "start", "engine": …, "documents": PATH, "config": {…}, "gc": "on"}, perhaps "slowdown": S, "cycle": D
        → {"runtime": {…}, "affinity": [CPUs] or null, "gradients": BASE64, "estimate_ns": …,
           "start_ns": to import the engine, build the state and come to the first gradients}
    {"do": "step", "repeats": M}      → {"loss": HEX, "ns": of one step, a mean over M, "cpu_ns": processor time of it},
                                        with "validation": HEX after a step that a validation follows
    {"do": "generate", "samples": N}  → {"samples": [texts], "ns": of all}
    {"do": "nodes", "steps": N}       → {"nodes": [graph nodes of the first N steps]}
    {"do": "memory", "steps": N}      → {"blocks": [alive after backward, a step], "peak_bytes": [a step]}
    {"do": "collector", "steps": N}   → {"share": of N steps' time spent in the cyclic collector, "collections": …}
    {"do": "finish"}                  → {"parameters": BASE64, "peak_bytes": …}

With ``"cycle": D`` training goes round in the first D documents. In place of "start" comes, where a tool outside counts
this process's instructions, an order that does nothing whose amount depends on a clock:

    {"do": "count", "engine": …, "documents": PATH, "config": {…}, "gc": "on", "cycle": D, "steps": N, "extra": E}
        → {"loss": HEX}

Anything that goes wrong is answered as {"error": one line}, an engine that lacks something here as
{"unavailable": one line}, and the worker ends; it also ends when standard input does. What an engine prints goes to standard error. Arrays travel as little-endian doubles.

Everything but the step itself happens outside the clock. A step too short to time well is repeated from
the same state, so that step k stays the same work in every cell; each repeat must give the same loss.

To prove that a slowdown would be found, a known one can be put in: with ``"slowdown": 0.05`` in "start" every step
is followed, inside the clock, by a loop that takes another 5 % of its processor time.
"""

from __future__ import annotations

import array
import base64
import gc
import itertools
import json
import math
import os
import sys
import time
from typing import Any, Dict, Iterable, List, Optional

import engines
from bench.workload import runtime
from bench.workload.config import Config
from bench.workload.trainer import Trainer

SLOW_NS = 50_000_000
# where the processor clock is coarse (Windows: 16 ms) the wall clock stands for it
FINE = time.get_clock_info("process_time").resolution <= 1e-6
cpu_clock = time.process_time_ns if FINE else time.perf_counter_ns


def peak_bytes() -> Optional[int]:
    """The process's peak resident memory in bytes; None where the system does not tell."""
    try:
        # not ru_maxrss: Linux carries the parent's size over fork into it, and a small worker would show the host's
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def pack(matrices: Iterable[List[List[float]]]) -> str:
    """Matrices, one after the other, row by row, as base64 of little-endian doubles."""
    doubles = array.array("d", (x for matrix in matrices for row in matrix for x in row))
    if sys.byteorder == "big":
        doubles.byteswap()
    return base64.b64encode(doubles.tobytes()).decode("ascii")


class Worker:
    """The state between orders: a trainer, once started."""

    def _build(self, order: Dict[str, Any]) -> None:
        """Set the collector and build the seeded state."""
        if order["gc"] == "off":
            gc.disable()
        if hasattr(gc, "freeze"):  # not on PyPy
            # Walking over the worker's own modules made the collector 3 to 6 % of a step dearer than in a plain script
            # (`nox -s overhead`): they leave its sight, and what the engine and the trainer make stays in it.
            gc.freeze()
        self.slowdown = order.get("slowdown", 0.0)
        self.trainer = Trainer(order["engine"], order["documents"], Config(**order["config"]))
        if "cycle" in order:
            del self.trainer.documents[order["cycle"] :]

    def start(self, order: Dict[str, Any]) -> Dict[str, Any]:
        """Build the seeded state, warm up with one forward and backward pass that trains nothing."""
        began = time.perf_counter_ns()
        self._build(order)
        started = time.perf_counter_ns()
        gradients = self.trainer.gradients()
        ended = time.perf_counter_ns()
        estimate, start = ended - started, ended - began
        # a first pass is a cold one, in which an engine may write and compile its source: where a better estimate costs
        # little, which it does of engines that take all positions at once, it decides how often to repeat a step
        if estimate < SLOW_NS or self.trainer.engine.batched:
            estimate = self._estimate()
        gc.collect()
        if order["gc"] == "freeze":
            gc.freeze()
        engine = self.trainer.engine
        return {
            "runtime": runtime.describe(),
            "affinity": sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
            "engine": {
                "name": engine.name,
                "summary": engine.summary,
                "parent": engine.parent,
                "change": engine.change,
                "parity": engine.parity.value,
            },
            "shapes": {name: [len(rows), len(rows[0])] for name, rows in gradients.items()},
            "gradients": pack(gradients.values()),
            "estimate_ns": estimate,
            "start_ns": start,
        }

    def _estimate(self) -> int:
        """About how many nanoseconds a step takes: enough to decide how often to repeat it."""
        trainer = self.trainer
        before = trainer.snapshot()
        durations: List[int] = []
        while len(durations) < 5 and sum(durations) < SLOW_NS:
            started = time.perf_counter_ns()
            trainer.step()
            durations.append(time.perf_counter_ns() - started)
            trainer.restore(before)
        return min(durations)

    def step(self, order: Dict[str, Any]) -> Dict[str, Any]:
        """Train one step, timed; with repeats above 1 the same step again from the same state, and the mean time."""
        trainer, repeats = self.trainer, order["repeats"]
        before = trainer.snapshot() if repeats > 1 else (0, None)
        clock = time.perf_counter_ns
        cpu_started, started = cpu_clock(), clock()
        loss = trainer.step().loss
        total, cpu = clock() - started, cpu_clock() - cpu_started
        for _ in range(repeats - 1):
            trainer.restore(before)
            cpu_started, started = cpu_clock(), clock()
            again = trainer.step().loss
            total += clock() - started
            cpu += cpu_clock() - cpu_started
            if again != loss and not (again != again and loss != loss):
                raise ArithmeticError(
                    f"step {trainer.steps_done} gave the loss {loss!r} and, repeated from the same state, {again!r}:"
                    " the engine keeps state that its optimizer's snapshot() and reset() do not cover"
                )
        if self.slowdown:  # put in, to see that it is found
            cpu_started, started = cpu_clock(), clock()
            while cpu_clock() - cpu_started < cpu * self.slowdown:
                pass
            total, cpu = total + clock() - started, cpu + cpu_clock() - cpu_started
        answer = {"loss": loss.hex(), "ns": total / repeats, "cpu_ns": cpu / repeats}
        return {**answer, "validation": trainer.validate().hex()} if trainer.validation_due() else answer

    def generate(self, order: Dict[str, Any]) -> Dict[str, Any]:
        """Draw samples from the model as it is now, timed as a whole."""
        started = time.perf_counter_ns()
        samples = self.trainer.generate(order["samples"])
        return {"samples": samples, "ns": time.perf_counter_ns() - started}

    def nodes(self, order: Dict[str, Any]) -> Dict[str, Any]:
        """Count graph nodes, forward passes only."""
        return {"nodes": [self.trainer.count_nodes(step) for step in range(order["steps"])]}

    def count(self, order: Dict[str, Any]) -> Dict[str, Any]:
        """Build the seeded state and train ``steps`` steps: the same instructions every time.

        Two step counts that differ by a multiple of ``cycle`` differ by whole rounds of the same work. ``extra`` is a
        known slowdown: so many turns of an empty loop after every step, whose cost can be counted too.
        """
        self._build(order)
        trainer, extra = self.trainer, order["extra"]
        gc.collect()  # the collector's own counts begin at zero, whatever start-up allocated
        if order["gc"] == "freeze":
            gc.freeze()
        loss = math.nan
        for _ in range(order["steps"]):
            loss = trainer.step().loss
            for _ in itertools.repeat(None, extra):
                pass
        return {"loss": loss.hex()}

    def memory(self, order: Dict[str, Any]) -> Dict[str, Any]:
        """What tracemalloc sees of each of the next steps; None for both where there is none (PyPy).

        ``blocks``: memory blocks alive once the loss is known and backward is done, above those before the step: the
        graph and its gradients. Blocks come and gone in between are not among them. ``peak_bytes``: the most bytes
        allocated at any moment of a whole step, above those before it. What C code gets past Python's allocators is unseen.
        """
        try:
            import tracemalloc
        except ImportError:
            return {"blocks": None, "peak_bytes": None}
        trainer, blocks, peaks = self.trainer, [], []
        tracemalloc.start()
        trainer.step()  # what is made once and kept is not the next step's
        for _ in range(order["steps"]):
            before = trainer.snapshot()
            document = trainer.documents[trainer.steps_done % len(trainer.documents)]
            gc.collect()  # what earlier steps left behind would be freed under this one
            already = len(tracemalloc.take_snapshot().traces)
            loss = trainer.model.loss(trainer.vocabulary.encode(document))
            trainer.engine.backward(loss)
            blocks.append(len(tracemalloc.take_snapshot().traces) - already)
            del loss
            trainer.engine.reset()
            trainer.restore(before)
            gc.collect()
            tracemalloc.reset_peak()
            level = tracemalloc.get_traced_memory()[0]
            trainer.step()
            peaks.append(tracemalloc.get_traced_memory()[1] - level)
        tracemalloc.stop()
        return {"blocks": blocks, "peak_bytes": peaks}

    def collector(self, order: Dict[str, Any]) -> Dict[str, Any]:
        """The cyclic collector's share of the next steps' time, and its collections; None where it has no callbacks."""
        callbacks = getattr(gc, "callbacks", None)
        if callbacks is None:
            return {"share": None, "collections": None}
        clock, moments = time.perf_counter_ns, []
        gc.collect()
        callbacks.append(lambda phase, info: moments.append(clock()))
        started = clock()
        for _ in range(order["steps"]):
            self.trainer.step()
        total = clock() - started
        callbacks.pop()
        spent = sum(moments[1::2]) - sum(moments[::2])
        return {"share": spent / total, "collections": len(moments) // 2}

    def finish(self, order: Dict[str, Any]) -> Dict[str, Any]:
        """Hand over what the parity check and the table want at the end."""
        return {"parameters": pack(self.trainer.weights().values()), "peak_bytes": peak_bytes()}


def main() -> None:
    """Serve orders until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # an engine that prints must not garble the answers
    sys.stdout = sys.stderr
    worker = Worker()
    for line in sys.stdin:
        order = json.loads(line)
        try:
            answer = getattr(worker, order["do"])(order)
        except engines.EngineUnavailable as error:
            answer = {"unavailable": str(error)}
        except MemoryError:
            answer = {"error": "out of memory"}
        except RecursionError:
            answer = {"error": "recursion limit reached: the graph is deeper than this engine's sort can go"}
        except Exception as error:
            import traceback

            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}".replace("\n", " ")}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
        if "error" in answer or "unavailable" in answer:
            sys.exit(1)
