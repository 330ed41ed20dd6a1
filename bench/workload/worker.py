"""The worker: one engine in the interpreter under test, doing what the host orders, one order at a time.

The host writes one JSON object a line on standard input and reads one back, with the order's "id" in it:

    {"do": "start", "engine": …, "documents": PATH, "config": {…}, "gc": "on"}, perhaps "slowdown": S, "cycle": D
        → {"runtime": {…}, "affinity": [CPUs] or null, "gradients": BASE64, "estimate_ns": …,
           "wall_tick_ns": by how much the clock moves at a time, "cpu_tick_ns": the processor's,
           "start_ns": to import the engine, build the state and come to the first gradients, less the time in
           which it could have run and had no processor}
    {"do": "step", "repeats": M, "nonce": HEX}, perhaps "most_ns": for repeats, "skip": CHAINS of documents, "geometric": true, "look": true, "read": true
        → {"loss": HEX, "ns": of one step, a mean over M, "cpu_ns": processor time of it, "delay_ns": in which it could
          have run and had no processor, "yields": how often it gave it away to wait, in all of M, "first_ns": processor time of the first of M, "own_ns": of the step itself,
          "aside_ns": of going back to the state before, "repeats": M or fewer, "repeated": [HEX, their losses]},
          with "geometric" also "geometric_ns" and "geometric_cpu_ns", the geometric means over M;
          with "validation": HEX after a step that a validation follows, and "late_ns": processor time by which the
          weights were read later than they are when nothing is left to do, "read_ns": the same right after the step
    {"do": "go", "state": PATH, "steps": N}
        → {"parameters": BASE64, before, "late_ns": as above, "load_ns": processor time of taking over}: goes to the training run's state after N steps, a file of weights
          and both moments as doubles in this machine's order
    {"do": "age"} → {}: puts its memory in the disorder of a long training run (bench.workload.aging)
    {"do": "generate", "samples": N}, perhaps "along": [texts]
        → {"samples": [texts], "ns": of all, "delay_ns": as of a step, "drawn": BASE64, "along": BASE64}
    {"do": "nodes", "steps": N or "at": [steps, from 1]}   → {"nodes": [graph nodes of the first N steps, or of those]}
    {"do": "memory", "steps": N}      → {"blocks": [alive after backward, a step], "peak_bytes": [a step]}
    {"do": "collector", "steps": N}   → {"share": of N steps' time spent in the cyclic collector, "collections": …}
    {"do": "finish"}, perhaps "cold": N → {"parameters": BASE64, "peak_bytes": …, "late_ns": as above, "cold_ns": [of N
          passes that train nothing: what "read_ns" is when nothing was put off, and memory as cold as after a step]}

With ``"cycle": D`` training goes round in the first D documents. In place of "start" comes, where a tool outside counts
this process's instructions, an order that does nothing whose amount depends on a clock:

    {"do": "count", "engine": …, "documents": PATH, "config": {…}, "gc": "on", "cycle": D, "steps": N, "extra": E}, perhaps
        "phases": true, to say where each phase of a step ends (bench.workload.phases)
        → {"loss": HEX}

And where several models are trained at the same time (`bench.workload.threads`), in place of all other orders:

    {"do": "crowd", "engine": …, "documents": PATH, "config": {…}, "gc": "on", "threads": N, "one_import": false}
        → {"runtime": {…}, "engine": {…}, "estimate_ns": of a step of one thread}
    {"do": "together", "steps": N, "repeats": M} → {"ns": …, "crowd": [[HEX, the losses of each thread's steps]]}

Anything that goes wrong is answered as {"error": one line}, an engine that lacks something here as
{"unavailable": one line}, and the worker ends; it also ends when standard input does. What an engine prints goes to standard error. Arrays travel as little-endian doubles.

Everything but the step itself happens outside the clock. **Repeats.** A step too short to time well is timed with
others like it: from the state before it, training goes on through documents of the same length that nobody has seen
before, made of the order's nonce, and only then comes the step itself. So no result that was kept, or prepared, serves
a repeat. All cells get the same nonce, and all say the losses of their repeats: in a step that nobody knows beforehand
the reference trains on some of these documents too, from a chain on that it alone skips to, to see that a repeat does the
whole work. With "look"
one of them is trained on again, outside the clock, to see that the state was really restored, and that the collector is
as it should be within a step too.

**What an engine leaves alone.** After every order the clocks, the collector and the trainer's and the worker's own
code must be what they were before the engine was imported (`bench.workload.seal`), and between its orders a worker
computes nothing.

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
import random
import sys
import time
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple

import engines
from bench.workload import aging, generation, runtime
from bench.workload.clocks import CHAIN, COARSE_NS, TELLS_IDLE, children_ns, delay_ns, tick_ns, yields
from bench.workload.config import Config
from bench.workload.generation import Sampling
from bench.workload.seal import changed, frozen_objects, interpreter_state, parts_of, replaced, seal
from bench.workload.threads import Crowd
from bench.workload.trainer import Step, Trainer

PROTOCOL = 2  # answers carry their order's id: the host looks for this line in other revisions
SLOW_NS = 50_000_000
IDLE_NS = 20_000_000  # of processor time between two orders, which reading an order never takes
# of all that lies between orders: at first, where the clock ticks finely, and for each order
IDLE_FIRST_NS, IDLE_EACH_NS = 4_000_000, 500_000
IDLE_SHARE = 0.05  # of the time of all steps: threads that wait for work may spin for a while


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


def _evenness(times: Sequence[int]) -> float:
    """The geometric mean of times over their arithmetic mean; 1 where a clock stood still in one of them."""
    if min(times) <= 0:
        return 1.0
    return math.exp(math.fsum(map(math.log, times)) / len(times)) * len(times) / sum(times)


def since(delay: Optional[int]) -> Optional[int]:
    """What `delay_ns` has grown by; None where the system does not tell."""
    now = delay_ns()
    return None if now is None or delay is None else now - delay


class Worker:
    """The state between orders: a trainer, once started. ``sealed`` says what was replaced since the process began."""

    def __init__(self, sealed: Callable[[], str]) -> None:
        self.sealed, self.frozen, self.cpu_ticks_finely, self.trained_ns = sealed, 0, False, 0
        self.parts: List[Any] = []  # of the trainer
        self.read: Optional[str] = None  # the weights right after the last step

    def _build(self, order: Dict[str, Any]) -> None:
        """Set the collector and build the seeded state."""
        if order["gc"] == "off":
            gc.disable()
        # Walking over the worker's own modules made the collector dearer than it is in a plain script
        # (`nox -s overhead` measures that): they leave its sight, and what the engine and the trainer make stays in it.
        self._freeze()
        self.slowdown = order.get("slowdown", 0.0)
        self.state = interpreter_state()
        engine = engines.load(order["engine"])
        if engine.collector == "off":
            self.intact()  # it may say so, but not do so
            gc.disable()
            self.state = interpreter_state()
        self.trainer = Trainer(engine, order["documents"], Config(**order["config"]))
        if "cycle" in order:
            del self.trainer.documents[order["cycle"] :]
        trainer = self.trainer
        self.parts = parts_of(trainer, trainer.model, trainer.vocabulary, trainer.config, trainer.engine)

    def intact(self) -> None:
        """Raises RuntimeError where the engine changed what measures it."""
        change = self.sealed() or changed(self.state, interpreter_state())
        if not self.frozen // 2 <= frozen_objects() <= self.frozen:
            change = change or "objects were hidden from the garbage collector, or shown to it"
        change = change or replaced(self.parts, passing=("steps_done",))
        if change:
            raise RuntimeError(f"the engine tampered with what measures it: {change}")

    def _freeze(self) -> None:
        """All that is there now leaves the collector's sight. Not on PyPy."""
        if hasattr(gc, "freeze"):
            gc.freeze()
            self.frozen = frozen_objects()

    def start(self, order: Dict[str, Any]) -> Dict[str, Any]:
        """Build the seeded state, warm up with one forward and backward pass that trains nothing."""
        delay, began = delay_ns(), time.perf_counter_ns()
        self._build(order)
        started = time.perf_counter_ns()
        gradients = self.trainer.gradients()
        ended = time.perf_counter_ns()
        estimate, start = ended - started, max(0, ended - began - (since(delay) or 0))
        wall_tick, cpu_tick = tick_ns(time.perf_counter_ns), tick_ns(time.process_time_ns)
        self.cpu_ticks_finely = cpu_tick <= COARSE_NS
        # a first pass is a cold one, in which an engine may write and compile its source: where a better estimate costs
        # little, which it does of engines that take all positions at once, it decides how often to repeat a step
        if estimate < SLOW_NS or self.trainer.engine.batched:
            estimate = self._estimate()
        gc.collect()
        self.intact()
        if order["gc"] == "freeze":
            self._freeze()
        return {
            "runtime": runtime.describe(),
            "affinity": sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
            "engine": self._engine(),
            "shapes": {name: [len(rows), len(rows[0])] for name, rows in gradients.items()},
            "gradients": pack(gradients.values()),
            "estimate_ns": estimate,
            "start_ns": start,
            "wall_tick_ns": wall_tick,
            "cpu_tick_ns": cpu_tick,
        }

    def crowd(self, order: Dict[str, Any]) -> Dict[str, Any]:
        """Build as many seeded models as there are to be threads."""
        self._build(order)
        self.crowded = Crowd(self.trainer, order["engine"], order["documents"], order["threads"], order["one_import"])
        self.trainer.gradients()
        return {"runtime": runtime.describe(), "engine": self._engine(), "estimate_ns": self._estimate()}

    def together(self, order: Dict[str, Any]) -> Dict[str, Any]:
        """Train all of them at the same time."""
        began = time.process_time_ns()
        answer = self.crowded.train(order["steps"], order["repeats"])
        self.trained_ns += time.process_time_ns() - began
        return answer

    def _engine(self) -> Dict[str, Any]:
        """What the engine's file says of itself."""
        engine = self.trainer.engine
        return {
            "name": engine.name,
            "summary": engine.summary,
            "parent": engine.parent,
            "change": engine.change,
            "parity": engine.parity.value,
            "collector": engine.collector,
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

    def _unknown(self, nonce: str) -> Callable[[], str]:
        """What gives, whenever it is called, another document as long as the next step's, drawn by the nonce."""
        trainer = self.trainer
        length = len(trainer.documents[trainer.steps_done % len(trainer.documents)])
        draw, characters = random.Random(int(nonce, 16)).choices, trainer.vocabulary.characters
        return lambda: "".join(draw(characters, k=length))

    def step(
        self,
        order: Dict[str, Any],
        wall: Callable[[], int] = time.perf_counter_ns,
        processor: Callable[[], int] = time.process_time_ns,
    ) -> Dict[str, Any]:
        """Train one step, timed; with repeats above 1 that many steps like it, and the mean time."""
        trainer, repeats, first_chain = self.trainer, order["repeats"], order.get("skip", 0)
        each: List[Tuple[int, int]] = []  # of both clocks
        total = cpu = first = 0
        answer: Dict[str, Any] = {}
        unknown, losses = max(repeats - 1, bool(order.get("look"))), []
        draw = self._unknown(order["nonce"])
        for _ in range(first_chain * CHAIN):
            draw()
        aside = processor()
        before = trainer.snapshot() if unknown else (0, None)
        aside, calls = processor() - aside, 1
        of_children, delay, yielded = children_ns(), delay_ns(), yields()
        for number in range(unknown):
            document = draw()  # as late as can be: nothing of the engine's runs between this and the clock
            cpu_started, started = processor(), wall()
            loss = trainer.step(document=document).loss
            if repeats > 1:
                each.append((wall() - started, processor() - cpu_started))
                total += each[-1][0]
                cpu += each[-1][1]
                first = first or cpu
            losses.append(loss.hex())
            looked = order.get("look") and number == 0
            if repeats > 1 and total > order.get("most_ns", math.inf):  # its first pass was faster, or looked so
                unknown, repeats = number + 1, number + 2
            if looked:
                late = self._read_twice(processor)[1]
            if number % CHAIN == CHAIN - 1 or number == unknown - 1:
                aside -= processor()
                trainer.restore(before)
                aside, calls = aside + processor(), calls + 1
            if looked:
                of_children -= children_ns()
                # the lesser of two: what a busy machine delays is not put off
                answer["late_ns"] = min(late, self._again(document, loss, before, processor))
                of_children += children_ns()
            if number == unknown - 1:
                break
        del before  # as long as it holds the numbers, an update cannot put new ones in their places, as in training
        if repeats == 1:  # nothing was timed yet
            of_children, delay, yielded = children_ns(), delay_ns(), yields()
        cpu_started, started = processor(), wall()
        loss = trainer.step().loss
        passed, own = wall() - started, processor() - cpu_started
        total += passed
        each.append((passed, own))
        cpu += own + children_ns() - of_children
        self.trained_ns += cpu
        yielded = yields() - yielded
        if self.slowdown:  # put in, to see that it is found
            cpu_started, started = processor(), wall()
            while processor() - cpu_started < cpu * self.slowdown:
                pass
            total, cpu = total + wall() - started, cpu + processor() - cpu_started
        answer.update(
            loss=loss.hex(),
            repeats=repeats,
            repeated=losses,
            ns=total / repeats,
            first_ns=first or own,
            own_ns=own,
            aside_ns=aside / calls,
        )
        delay = since(delay)
        if delay is not None:
            answer.update(delay_ns=delay / repeats, yields=yielded)
        if order.get("read"):
            self.read, answer["read_ns"] = self._read_twice(processor)
        if self.cpu_ticks_finely:
            answer["cpu_ns"] = cpu / repeats
        if order.get("geometric"):
            answer.update(
                (f"geometric_{name}", answer[name] * _evenness(times))
                for name, times in zip(("ns", "cpu_ns"), zip(*each))
                if name in answer
            )
        return {**answer, "validation": trainer.validate().hex()} if trainer.validation_due() else answer

    def go(self, order: Dict[str, Any], processor: Callable[[], int] = time.process_time_ns) -> Dict[str, Any]:
        """Hand over the weights as they are, and take over the state that is told.

        What the last step left to the collector stays: it is the next step's to pay for, as in training.
        """
        before, late = self._read_twice(processor)
        state = array.array("d")
        with open(order["state"], "rb") as file:
            state.frombytes(file.read())
        third = len(state) // 3
        started = processor()
        self.trainer.load(order["steps"], state[:third], state[third : 2 * third], state[2 * third :])
        return {"parameters": before, "load_ns": processor() - started, "late_ns": late}

    def _read_twice(self, processor: Callable[[], int]) -> Tuple[str, int]:
        """The weights, packed, and how much longer it takes to read them than to read them again: for work put off till then.

        Raises RuntimeError where they have changed since they were read right after the last step.
        """
        started = processor()
        weights = pack(self.trainer.weights().values())
        read = processor()
        again = pack(self.trainer.weights().values())
        late = max(0, 2 * read - started - processor())
        before, self.read = self.read, None
        if weights != again or before not in (None, weights):
            raise RuntimeError("the engine works outside the clock: its weights changed after the step")
        return weights, late

    def _again(self, document: str, loss: float, before: Any, processor: Callable[[], int]) -> int:
        """The same step from the same state, outside the clock, with a look at the collector within it.

        Returns by how much the weights were read later after it than again.

        Raises RuntimeError as ``intact`` does, and ArithmeticError where it gives another loss.
        """
        trainer = self.trainer
        after = trainer.snapshot()
        trainer.restore(before)
        again = trainer.step(self.intact, document).loss
        late = self._read_twice(processor)[1]
        trainer.restore(after)
        if again != loss and not (again != again and loss != loss):
            raise ArithmeticError(
                f"step {trainer.steps_done} gave the loss {loss!r} and, repeated from the same state, {again!r}:"
                " the engine keeps state that its optimizer's snapshot() and reset() do not cover"
            )
        return late

    def age(self, order: Dict[str, Any]) -> Dict[str, Any]:
        """Put memory in the disorder of a long training run. Trains nothing."""
        aging.age(self.trainer)
        return {}

    def generate(self, order: Dict[str, Any], wall: Callable[[], int] = time.perf_counter_ns) -> Dict[str, Any]:
        """Draw samples from the model as it is now, timed as a whole; and its probabilities, to be compared.

        "drawn" are the weights that each token was drawn by, "along" the probabilities at each place of given texts, the
        first ones drawn where none are given: (places, vocabulary) each, one text after the other.
        """
        trainer, sampling = self.trainer, Sampling(top_k=self.trainer.config.top_k)
        delay, started = delay_ns(), wall()
        generated = [
            generation.draw(trainer.model, trainer.vocabulary, trainer.rng, sampling) for _ in range(order["samples"])
        ]
        spent, delay = wall() - started, since(delay)
        samples = [text for text, _ in generated]
        drawn = [[weights for _, _, weights in places] for _, places in generated]
        along = [
            generation.along(trainer.model, trainer.vocabulary, text, sampling)
            for text in order.get("along", samples[: generation.COMPARED])
        ]
        answer = {"samples": samples, "ns": spent, "drawn": pack(drawn), "along": pack(along)}
        return answer if delay is None else {**answer, "delay_ns": delay}

    def nodes(self, order: Dict[str, Any]) -> Dict[str, Any]:
        """Count graph nodes, forward passes only."""
        steps = [step - 1 for step in order["at"]] if "at" in order else range(order["steps"])
        return {"nodes": [self.trainer.count_nodes(step) for step in steps]}

    def count(self, order: Dict[str, Any]) -> Dict[str, Any]:
        """Build the seeded state and train ``steps`` steps: the same instructions every time.

        Two step counts that differ by a multiple of ``cycle`` differ by whole rounds of the same work. ``extra`` is a
        known slowdown: so many turns of an empty loop after every step, whose cost can be counted too.
        """
        self._build(order)
        trainer, extra = self.trainer, order["extra"]
        gc.collect()  # the collector's own counts begin at zero, whatever start-up allocated
        if order["gc"] == "freeze":
            self._freeze()
        loss = math.nan
        step: Callable[[], Step] = trainer.step
        if order.get("phases"):
            from bench.workload import phases  # here: nothing else of a worker's has a use for it

            step = phases.marked(trainer)
        for _ in range(order["steps"]):
            loss = step().loss
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
        """Hand over what the parity check and the table want at the end. No step follows it."""
        peak = peak_bytes()
        gc.collect()  # what the last step left behind is no work that was put off
        weights, late = self._read_twice(time.process_time_ns)
        cold = [self._cold_read() for _ in range(order.get("cold", 0))]
        return {"parameters": weights, "peak_bytes": peak, "cold_ns": cold, "late_ns": late}

    def _cold_read(self, processor: Callable[[], int] = time.process_time_ns) -> int:
        """What `_read_twice` finds after a forward and backward pass when all is done that could be put off.

        It makes the processor's caches as cold as a step does: the weights are read where a step updates them, and then
        the graph is freed.
        """
        trainer, engine = self.trainer, self.trainer.engine
        loss = trainer.model.loss(
            trainer.vocabulary.encode(trainer.documents[trainer.steps_done % len(trainer.documents)])
        )
        engine.backward(loss)
        pack(trainer.weights().values())
        del loss
        engine.reset()
        return self._read_twice(processor)[1]


def main() -> None:
    """Serve orders until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    orders = os.fdopen(os.dup(0), encoding="utf-8")
    os.dup2(2, 1)  # an engine that prints must not garble the answers
    sys.stdout = sys.stderr
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # nor one that reads take the orders
    serve(orders, answers, Worker(seal()))


def serve(
    orders: Any,
    answers: Any,
    worker: Worker,
    dumps: Callable[[Any], str] = json.dumps,
    processor: Callable[[], int] = time.process_time_ns,
) -> None:
    """Carry out one order after the other; the answer to one that failed is the last."""
    idle_since = all_idle = 0
    for number, line in enumerate(orders):
        idle = processor() - idle_since if idle_since and TELLS_IDLE else 0
        all_idle += idle
        order = json.loads(line)
        try:
            allowed = (IDLE_FIRST_NS if worker.cpu_ticks_finely else IDLE_NS) + number * IDLE_EACH_NS
            if idle > IDLE_NS or all_idle > max(allowed, worker.trained_ns * IDLE_SHARE):
                raise RuntimeError(
                    f"the engine computed for {all_idle / 1e6:.0f} ms between its orders, outside the clock"
                )
            answer = getattr(worker, order["do"])(order)
            worker.intact()
        except engines.EngineUnavailable as error:
            answer = {"unavailable": str(error)}
        except MemoryError:
            answer = {"error": "out of memory"}
        except RecursionError:
            answer = {"error": "recursion limit reached: the graph is deeper than this engine's sort can go"}
        except BaseException as error:
            import traceback

            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}".replace("\n", " ")}
        if "id" in order:
            answer["id"] = order["id"]
        # a line of its own, whatever the engine wrote into the answers' pipe before
        answers.write(("\n" if "id" in order else "") + dumps(answer) + "\n")
        answers.flush()
        if "error" in answer or "unavailable" in answer:
            sys.exit(1)
        idle_since = processor()
