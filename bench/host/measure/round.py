"""One round: fresh worker processes, every cell in lockstep, each step compared with the reference's.

The turns: in an order shuffled each turn, the host orders one worker to do its next step, waits for the answer, and only
then turns to the next worker, so that one worker runs at any time and a drift of the machine meets all cells alike.
"""

from __future__ import annotations

import datetime
import random
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from bench.host.measure import copies, first_round
from bench.host.measure.cell import UNSAID, UNSAID_NS, CellState
from bench.host.measure.first_look import first_look
from bench.host.measure.plan import Plan
from bench.host.measure.probe import REFERENCE_REPEATS, of_reference, probes
from bench.host.measure.reference_checks import ReferenceChecks
from bench.host.measure.worker_process import (
    EngineUnavailable,
    NoAnswer,
    WorkerFailed,
    WorkerProcess,
    left_behind,
    stop_all,
)
from bench.host.results.records import SCHEMA, Cell, RoundRecord, key
from bench.host.system.deadline import Deadline
from bench.host.system.machine import allowed_cpus
from bench.host.system.progress import Progress

MOST_TURNS = 4  # times as long as planned is a turn's time for repeats at most
OTHER_WORKER = "its worker is of another version"


class Round:
    """One round of some of a plan's cells, from starting the workers to comparing the final parameters.

    ``reference_cells``: what references said in an earlier round, for a round that leaves them out; the seeded
    state is the same in every round, so its gradients, losses and parameters are too. ``first_look``: tell the user of
    one; ``samples``: how many to draw after the last step; ``nodes``: count them, once a run.
    """

    def __init__(
        self,
        plan: Plan,
        number: int,
        cells: Sequence[Cell],
        progress: Progress,
        reference_cells: Mapping[Cell, CellState] | None = None,
        first_look: bool = False,
        samples: int = 0,
        nodes: bool = False,
    ) -> None:
        self.plan, self.number, self.cells, self.progress = plan, number, cells, progress
        self.reference_cells, self.first_look = dict(reference_cells or {}), first_look
        self.samples, self.nodes = samples, nodes
        # the same plan gives the same orders again
        self.rng = random.Random(f"{plan.settings.order_seed}/{plan.settings.planned(number)}")
        # but nobody knows beforehand what repeats are made of, and at which steps they are looked at
        turns = range(1, plan.settings.steps + 1)
        self.nonces = {turn: secrets.token_hex(8) for turn in turns}
        self.looked = secrets.choice(turns[:-1] or turns)  # what is odd then is looked at in the next turn too
        self.probes = {} if self.reference_cells else probes(turns)
        self.states: dict[Cell, CellState] = {}
        self.checks = ReferenceChecks(plan, self.states, self.reference_cells, progress)
        self.copies = copies.of(plan.documents.parent, plan.runtimes)
        self.deadline = plan.deadline if number > 1 else Deadline()
        self.first_round_seconds = 0.0  # of this round, for the samples and nodes that only the first one has

    def run(self) -> RoundRecord:
        """Measure. Every worker is ended however this is left.

        Raises OutOfTime where the plan's deadline passes meanwhile, unless it is the run's first round.
        """
        begun, started, computing = datetime.datetime.now(datetime.UTC), time.monotonic(), time.process_time()
        try:
            for runtime in self.plan.runtimes:
                # shuffled too: who starts last finds the machine's caches warm at its first step
                for cell in self.shuffled([cell for cell in self.cells if cell[1] == runtime.name]):
                    self._start(cell)
                self.checks.check_gradients(runtime.name)
                if self.first_look and (line := first_look(runtime.name, self.states)):
                    self.progress.say(line)
            for turn in range(1, self.plan.settings.steps + 1):
                self._go_to(turn)
                if turn in self.probes:
                    self.probes[turn].choose([self.states[cell].repeats for cell in self.alive()])
                for cell in self.shuffled(self.alive()):
                    self._step(cell, turn)
                self.checks.check_losses(turn, self.probes.get(turn))
            self.side_by_side(self._finish, self.alive())
            self.checks.check_parameters(self.plan.settings.numbers[-1])
            self._check_left_behind()
            compared = time.monotonic()
            if self.samples:
                first_round.draw_samples(self, self.samples)
            if self.nodes:  # last, as counting needs memory of its own
                first_round.count_nodes(self)
            self.first_round_seconds = time.monotonic() - compared
        finally:
            stop_all(state.worker for state in self.states.values())
        return RoundRecord(
            schema=SCHEMA,
            number=self.number,
            started=begun.isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - started, 3),
            host_cpu_seconds=round(time.process_time() - computing, 3),
            cells={key(cell): self.states[cell].record() for cell in self.cells},
        )

    def references(self) -> dict[Cell, CellState]:
        """What the references said where they went to the end: the ``reference_cells`` of later rounds."""
        rows = self.checks.references()
        return {cell: state for cell, state in self.states.items() if cell[0] in rows and state.status == "ok"}

    # ----------------------------------------------------------------- orders

    def alive(self) -> list[Cell]:
        """The cells that still take part."""
        return [cell for cell, state in self.states.items() if state.status == "ok"]

    def shuffled(self, cells: list[Cell]) -> Iterator[Cell]:
        """The cells in a random order, but for those that ended meanwhile."""
        order = cells[:]
        self.rng.shuffle(order)
        # a cell may be dropped while the turn is under way
        return (cell for cell in order if cell not in self.states or self.states[cell].status == "ok")

    def side_by_side(self, order: Callable[[Cell], object], cells: Sequence[Cell]) -> None:
        """Orders that nobody times, one a cell, as many at a time as there are processors for workers."""
        threads = ThreadPoolExecutor(max(1, len(self.plan.settings.affinity or allowed_cpus())))
        try:
            list(threads.map(order, cells))
        finally:  # at an interrupt the workers are ended, and with them what waits for their answers
            threads.shutdown(wait=False, cancel_futures=True)

    def ask(self, cell: Cell, fields: Sequence[str], optional: bool = False, **order: Any) -> dict[str, Any] | None:
        """Give a cell's worker an order; None where it ended the cell. ``fields``: what the answer must have.

        ``optional``: a worker that is silent for too long is ended, and its cell keeps what it has.
        """
        state = self.states[cell]
        self.progress.advance(f"{cell[0]} on {cell[1]}")
        try:
            answer = state.worker.ask(self.deadline.timeout(self.plan.settings.timeout_seconds), **order)
            missing = [field for field in fields if field not in answer]
            if children := state.worker.children():
                raise WorkerFailed(
                    f"it left a process running ({children[0]}), whose time cannot be separated from its own"
                )
            if missing:  # another revision's worker
                hint = "measure with --clock wall" if missing == ["cpu_ns"] else "choose a newer revision"
                raise WorkerFailed(f"{OTHER_WORKER} and does not report {', '.join(missing)}: {hint}")
            return answer
        except EngineUnavailable as why:
            # only at its start: what could begin and does not go on has failed
            state.end("failed" if state.started else "skipped", str(why))
        except WorkerFailed as why:
            self.deadline.timeout(0)  # not its failure where the time is up
            if optional and isinstance(why, NoAnswer):
                state.worker.stop()
                self.progress.say(f"{cell[0]} on {cell[1]}: {why}; its times are kept")
                return None
            state.end("failed", str(why))
            self.progress.say(f"{cell[0]} on {cell[1]} failed: {why}")
        return None

    def _start(self, cell: Cell) -> None:
        runtime = next(runtime for runtime in self.plan.runtimes if runtime.name == cell[1])
        subject, affinity = self.plan.engines[cell[0]], self.plan.settings.affinity
        injected: dict[str, Any] = {"slowdown": subject.slowdown} if subject.slowdown else {}
        if changed := self.copies.mend():
            self.progress.say(f"an engine changed {', '.join(changed)}, which workers import: it was restored")
        state = self.states[cell] = CellState(WorkerProcess(runtime, str(subject.source), affinity=affinity))
        answer = self.ask(
            cell,
            ["runtime", "engine", "shapes", "gradients", "estimate_ns", *(["affinity"] if affinity else [])],
            do="start",
            engine=subject.loads,
            documents=str(self.plan.documents),
            config=dict(subject.config or self.plan.config),
            gc=self.plan.settings.gc,
            **injected,
        )
        if answer is not None and any(
            fact in runtime.described and runtime.described[fact] != said for fact, said in answer["runtime"].items()
        ):
            # a switch, or the interpreter itself, is not what the tables will say
            state.end("failed", f"the worker runs on another build or with other switches than {runtime.name} said")
        elif answer is not None and (changed := self.copies.mend()):
            state.end("failed", f"the engine tampered with what measures it: it changed {', '.join(changed)}")
        elif answer is not None and affinity is not None and answer["affinity"] != sorted(affinity):
            state.end("failed", f"the worker runs on CPUs {answer['affinity']} in spite of --affinity")
        elif answer is not None:
            state.begin(answer, self.plan.settings.turn_seconds * 1e9)

    def _go_to(self, turn: int) -> None:
        """Every cell to the training run's state before a turn's step, unless it is there; before the first it is led in."""
        trajectory, numbers = self.plan.trajectory, self.plan.settings.numbers
        if trajectory is None:
            return
        if turn == 1 and self.plan.settings.aged:
            self.side_by_side(self._age, self.alive())
        for lead in range(1, trajectory.lead_in + 1) if turn == 1 else ():
            self.side_by_side(self._lead, self.alive())
            self.checks.check_lead(lead)
        if (file := trajectory.state(numbers[turn - 1])) is not None:
            for cell in self.shuffled(self.alive()):
                self._go(cell, state=str(file), steps=numbers[turn - 1] - 1)
            self.checks.check_parameters(numbers[turn - 2] if turn > 1 else trajectory.lead_in)

    def _age(self, cell: Cell) -> None:
        """Its memory as a long training run leaves it."""
        self.ask(cell, [], do="age")

    def _lead(self, cell: Cell) -> None:
        """One step that nobody times."""
        if answer := self.ask(cell, ["loss"], do="step", repeats=1, nonce=self.nonces[1]):
            self.states[cell].leads.append(float.fromhex(answer["loss"]))

    def _go(self, cell: Cell, **where: Any) -> None:
        """One cell to a state; the weights that it has are those after its last step."""
        state, computed = self.states[cell], self.states[cell].worker.processor_seconds()
        if (answer := self.ask(cell, ["parameters", "load_ns"], do="go", **where)) is None:
            return
        state.keep_weights(answer)
        if why := state.suspect_load(answer, (state.worker.processor_seconds() - computed) * 1e9):
            state.end("failed", why)

    def _step(self, cell: Cell, turn: int) -> None:
        state = self.states[cell]
        started, computed = time.monotonic(), state.worker.processor_seconds()
        look, repeats = turn == self.looked or state.suspicious, state.repeats
        limits: dict[str, Any] = {"most_ns": MOST_TURNS * state.turn}
        if cell[0] in self.checks.references():
            least = 1 if self.plan.trajectory is None else REFERENCE_REPEATS
            repeats, limits = of_reference(repeats, least, self.probes.get(turn))
        answer = self.ask(
            cell,
            ["loss", "ns", *(["cpu_ns"] if self.plan.settings.clock == "cpu" and not state.off_cpu else [])],
            do="step",
            repeats=repeats,
            nonce=self.nonces[turn],
            **limits,
            **({"read": True} if self.plan.weights_follow(turn) else {}),
            **({"look": True} if look and (repeats > 1 or not self.reference_cells) else {}),
        )
        if answer is None:
            return
        elapsed = (time.monotonic() - started) * 1e9
        computed = (state.worker.processor_seconds() - computed) * 1e9
        repeats = answer.get("repeats", repeats)
        spent = answer["ns"] * repeats
        state.keep(answer)
        if not answer["ns"] > 0 or not answer.get("cpu_ns", 1) > 0:
            state.end(
                "failed", "its step took no time on this clock, which ticks too coarsely: give a longer --min-time"
            )
        elif spent > elapsed * 1.01 + 1e6:
            state.end("failed", f"it says {spent / 1e9:.3f} s of a step that was over after {elapsed / 1e9:.3f} s")
        elif why := state.suspect(answer, spent, computed, 3 * look):
            state.end("failed", why)
        elif not state.turn / 4 < spent < MOST_TURNS * state.turn:  # other than its first pass seemed to be
            state.fill_turn(answer["ns"])

    def _finish(self, cell: Cell) -> None:
        state = self.states[cell]
        answer = self.ask(cell, ["parameters", "peak_bytes"], do="finish", cold=state.cold_reads)
        if answer is None:
            return
        state.finished = answer
        state.keep_weights(answer)
        puts_off = state.puts_off(answer.get("cold_ns", []))
        # where no processor's clock is, as on WebAssembly, waiting for a processor counts too
        most = (5 if state.cpu_nanoseconds else 25) * UNSAID_NS
        if puts_off or answer.get("late_ns", 0) > max(most, float(np.median(state.nanoseconds))):
            state.end("failed", "it works when its weights are read after a step, outside the clock")
        elif state.computed > UNSAID * state.said:
            told = f"{state.said * 1e-6:.0f} ms where the system says {state.computed * 1e-6:.0f} ms"
            state.end("failed", f"its clock says that its steps took {told}")

    def _check_left_behind(self) -> None:
        """A process that an engine hid from its parent computes unseen: the cell has failed."""
        hiding = left_behind(self.states[cell].worker for cell in self.alive())
        for cell in self.alive():
            if self.states[cell].worker in hiding:
                self.states[cell].end("failed", "it leaves a process running that is its child no more")
                self.progress.say(f"{cell[0]} on {cell[1]} failed: {self.states[cell].reason}")
