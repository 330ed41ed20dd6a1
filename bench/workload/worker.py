"""The worker: one engine in the interpreter under test, doing what the host orders, one order at a time.

The host writes one JSON object a line on standard input and reads one back:

    {"do": "start", "engine": …, "documents": PATH, "config": {…}, "gc": "on", "slowdown": share, if any}
        → {"runtime": {…}, "affinity": [CPUs] or null, "gradients": BASE64, "estimate_ns": …}
    {"do": "step", "repeats": M}      → {"loss": HEX, "ns": of one step, a mean over M, "cpu_ns": processor time of it}
    {"do": "generate", "samples": N}  → {"samples": [texts], "ns": of all}
    {"do": "nodes", "steps": N}       → {"nodes": [graph nodes of the first N steps]}
    {"do": "finish"}                  → {"parameters": BASE64, "peak_bytes": …}

Anything that goes wrong is answered as {"error": one line}, an engine that lacks something here as
{"unavailable": one line}, and the worker ends; it also ends when standard input does. What an engine prints goes to standard error. Arrays travel as little-endian doubles.

Everything but the step itself happens outside the clock. A step too short to time well is repeated from
the same state, so that step k stays the same work in every cell; each repeat must give the same loss.
"""

from __future__ import annotations

import array
import base64
import gc
import json
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

    def start(self, order: Dict[str, Any]) -> Dict[str, Any]:
        """Build the seeded state, warm up with one forward and backward pass that trains nothing."""
        if order["gc"] == "off":
            gc.disable()
        if hasattr(gc, "freeze"):  # not on PyPy
            # Walking over the worker's own modules made the collector 3 to 6 % of a step dearer than in a plain script
            # (`nox -s overhead`): they leave its sight, and what the engine and the trainer make stays in it.
            gc.freeze()
        self.slowdown = order.get("slowdown", 0.0)
        self.trainer = Trainer(order["engine"], order["documents"], Config(**order["config"]))
        started = time.perf_counter_ns()
        gradients = self.trainer.gradients()
        estimate = time.perf_counter_ns() - started
        if estimate < SLOW_NS:  # a first pass is a cold one; of a fast engine a better estimate costs little
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
        if self.slowdown:  # injected, to see that it is found: busy for a share of what the step took
            cpu_started, started = cpu_clock(), clock()
            while cpu_clock() - cpu_started < cpu * self.slowdown:
                pass
            total, cpu = total + clock() - started, cpu + cpu_clock() - cpu_started
        return {"loss": loss.hex(), "ns": total / repeats, "cpu_ns": cpu / repeats}

    def generate(self, order: Dict[str, Any]) -> Dict[str, Any]:
        """Draw samples from the model as it is now, timed as a whole."""
        started = time.perf_counter_ns()
        samples = self.trainer.generate(order["samples"])
        return {"samples": samples, "ns": time.perf_counter_ns() - started}

    def nodes(self, order: Dict[str, Any]) -> Dict[str, Any]:
        """Count graph nodes, forward passes only."""
        return {"nodes": [self.trainer.count_nodes(step) for step in range(order["steps"])]}

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
