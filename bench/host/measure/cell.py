"""A cell in the round under way: its worker, what it said so far, and what speaks against it."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bench.host.measure.worker_process import WorkerProcess
from bench.host.results import parity
from bench.host.results.parity import Agreement, Finding
from bench.host.results.records import CellRecord, Status
from bench.workload.clocks import COARSE_NS

TICKS_A_TURN = 20  # of the clock, at least
LONGEST_TURN = 1_000  # repeats of one step at the most
ASIDE = 0.75  # of a step, that going back to the state before it may take
UNSAID = 1.3  # times the processor time of its steps that an order may take
UNSAID_NS = 12_000_000  # and so much more: for the order itself, its documents, and a look at what is sealed
LOAD_NS = 1_000  # a parameter, that taking over a state may take
# Reading the weights after a step takes longer than reading them again: an update that was put off till then is done, or
# only their memory is cold. Three quarters of the reads must be late, as JITs and the collector are so now and then.
# Less than the largest of these is not looked into: what updates weights in plain Python takes longer (the tests put it off).
LATE_LEAST_NS, LATE_NS, LATE_SHARE = 100_000, 70, 0.01  # as a whole, a parameter, and of a step
LATE_READS = 3
LATE_LOOK_NS = 500_000  # in a look at one step, where it counts twice running
COLD_READS = 5  # after passes that update nothing
COLD_NS = 400  # a parameter, that cold memory is believed to take: two accesses or three


class CellState:
    """A cell in the round under way."""

    def __init__(self, worker: WorkerProcess) -> None:
        self.worker = worker
        self.status: Status = "ok"
        self.reason = ""
        self.repeats, self.turn = 1, 0.0
        self.losses: list[float] = []
        self.validations: list[float] = []
        self.nanoseconds: list[float] = []
        self.cpu_nanoseconds: list[float] = []
        self.delay_nanoseconds: list[float] = []
        self.yields: list[float] = []
        self.first_nanoseconds: list[float] = []
        self.own_nanoseconds: list[float] = []
        self.off_cpu = ""
        self.said = self.computed = 0.0  # ns of processor time in the steps so far: its own word, the system's
        self.repeated: list[float] = []  # losses of the last step's repeats
        self.suspicious = self.loads_oddly = False
        self.findings: list[Finding] = []
        self.started: dict[str, Any] = {}
        self.finished: dict[str, Any] = {}
        self.leads: list[float] = []  # losses of the steps that lead in
        self.weights: list[str] = []  # packed: before the first state that was taken over, after each stretch of steps
        self.late: list[float] = []  # ns by which they were read later than again, right after each stretch
        self.nodes: list[int] | None = None
        self.drawn: dict[str, Any] = {}

    def end(self, status: Status, reason: str) -> None:
        """Stop here, for this reason."""
        self.status, self.reason = status, reason
        self.worker.stop()

    def begin(self, answer: Mapping[str, Any], turn: float) -> None:
        """Take in what the worker says at its start. ``turn``: ns that a turn is to take at least."""
        self.started = dict(answer)
        self.turn = max(turn, TICKS_A_TURN * answer.get("wall_tick_ns", 0))
        self.fill_turn(answer["estimate_ns"])
        if answer.get("cpu_tick_ns", 0) > COARSE_NS:
            self.off_cpu = f"its processor clock ticks every {answer['cpu_tick_ns'] / 1e6:.1f} ms"

    def fill_turn(self, step: float) -> None:
        """Repeat a step of ``step`` ns as often as it takes to fill a turn."""
        self.repeats = min(LONGEST_TURN, max(1, math.ceil(self.turn / max(1.0, step))))

    def keep(self, answer: Mapping[str, Any]) -> None:
        """Add a step's losses and times to those so far."""
        self.losses.append(float.fromhex(answer["loss"]))
        if "validation" in answer:
            self.validations.append(float.fromhex(answer["validation"]))
        self.repeated = [float.fromhex(loss) for loss in answer.get("repeated", [])]
        self.nanoseconds.append(round(answer.get("geometric_ns", answer["ns"]), 1))
        if "cpu_ns" in answer and not self.off_cpu:
            self.cpu_nanoseconds.append(round(answer.get("geometric_cpu_ns", answer["cpu_ns"]), 1))
        for field, times in (
            ("delay_ns", self.delay_nanoseconds),
            ("yields", self.yields),
            ("first_ns", self.first_nanoseconds),
            ("own_ns", self.own_nanoseconds),
            ("read_ns", self.late),
        ):
            if field in answer:  # not of an older revision's worker
                times.append(round(answer[field], 1))

    def suspect(self, answer: Mapping[str, Any], spent: float, computed: float, untimed: int) -> str:
        """In words, the work that is done outside the clock in two steps one after the other; "" for none or the first.

        ``spent``: the time in ns that it told; ``computed``: processor time that the whole order took, as the system says,
        with so many steps that are not timed.
        """
        least, said = max(1e6, answer["ns"]), spent * answer.get("cpu_ns", answer["ns"]) / answer["ns"]
        extra = 4.0 * answer["ns"] * untimed + UNSAID_NS
        reasons = {
            "it puts work off until its weights are read, outside the clock": (
                answer.get("late_ns", 0) > max(LATE_LOOK_NS, least / 4)
            ),
            "it works outside the clock: going back to an earlier state takes as long as a step": (
                answer.get("aside_ns", 0) > ASIDE * least
            ),
            f"it computed for {computed * 1e-6:.0f} ms where its clock says {said * 1e-6:.0f} ms": (
                "validation" not in answer and computed > UNSAID * said + extra
            ),
        }
        cores = os.cpu_count() or 1
        reasons["its clock says less than its threads can have computed in that time"] = (
            answer.get("cpu_ns", 0) > (cores + 1) * answer["ns"]
        )
        if "validation" not in answer:
            self.said, self.computed = self.said + said + extra / UNSAID, self.computed + computed
        again, self.suspicious = self.suspicious, any(reasons.values())
        return next((why for why, so in reasons.items() if so), "") if again else ""

    def keep_weights(self, answer: Mapping[str, Any]) -> None:
        """Add the weights after a stretch of steps to those so far."""
        self.weights.append(answer["parameters"])

    @property
    def cold_reads(self) -> int:
        """How many reads of cold memory its own are to be compared with: none unless most of them are late."""
        return COLD_READS if len(self.late) >= LATE_READS and self._often_late > self._late_limit else 0

    @property
    def _often_late(self) -> float:
        return float(np.quantile(self.late, 0.25))

    @property
    def _late_limit(self) -> float:
        return max(LATE_LEAST_NS, LATE_NS * self._parameters, LATE_SHARE * float(np.median(self.nanoseconds)))

    @property
    def _parameters(self) -> int:
        return len(parity.unpack(self.weights[-1]))

    def puts_off(self, cold: Sequence[float]) -> bool:
        """Whether it works when its weights are read, outside the clock: the state that follows needs no update any more.

        ``cold``: ns by which they were read later than again where nothing was put off; none from an older worker.
        """
        if not cold:
            return False
        excused = min(float(np.median(cold)), COLD_NS * self._parameters)
        return self._often_late > excused + 0.75 * self._late_limit

    def suspect_load(self, answer: Mapping[str, Any], computed: float) -> str:
        """In words, the work that is done while a state is taken over, two times running; "" for none or the first.

        ``computed``: as in `suspect`.
        """
        parameters = len(parity.unpack(answer["parameters"]))
        late = answer.get("late_ns", 0)
        odd = (
            answer["load_ns"] > UNSAID_NS / 4 + LOAD_NS * parameters
            or late > max(5 * UNSAID_NS, *self.nanoseconds, 0.0)
            or computed > answer["load_ns"] + late + 2 * UNSAID_NS + 5 * LOAD_NS * parameters
        )
        again, self.loads_oddly = self.loads_oddly, odd
        return (
            "it works outside the clock: taking over the training run's state takes too long" if odd and again else ""
        )

    def judge(self, finding: Finding) -> None:
        """Take in what a comparison found; a diverged cell is not measured any further."""
        self.findings.append(finding)
        if finding.parity is Agreement.DIVERGED:
            self.end("diverged", finding.reason)

    def record(self) -> CellRecord:
        """What goes into the round's file."""
        parameters = self.finished.get("parameters")
        return CellRecord(
            status=self.status,
            reason=self.reason,
            losses=[loss.hex() for loss in self.losses],
            validations=[loss.hex() for loss in self.validations],
            nanoseconds=self.nanoseconds,
            cpu_nanoseconds=self.cpu_nanoseconds,
            delay_nanoseconds=self.delay_nanoseconds,
            yields=self.yields,
            first_nanoseconds=self.first_nanoseconds,
            own_nanoseconds=self.own_nanoseconds,
            off_cpu=self.off_cpu,
            repeats=self.repeats,
            finding=parity.worst(self.findings) if self.findings else None,
            parameters_sha256=None
            if parameters is None
            else hashlib.sha256(parity.unpack(parameters).tobytes()).hexdigest(),
            peak_bytes=self.finished.get("peak_bytes"),
            nodes=self.nodes,
            samples=self.drawn.get("samples"),
            samples_nanoseconds=self.drawn.get("ns"),
            samples_delay_nanoseconds=self.drawn.get("delay_ns"),
            start_nanoseconds=self.started.get("start_ns"),
        )
