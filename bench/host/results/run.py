"""A run that was read or is being made, and the questions that it answers."""

from __future__ import annotations

import importlib
import math
import pathlib
from typing import Any

import numpy as np

from bench.host.results import machines, round_files, suspicion
from bench.host.results.parity import Finding, meets_promise, worst
from bench.host.results.records import (
    GATE_ANSWER,
    REFERENCE,
    Cell,
    CellRecord,
    CountersRecord,
    Floats,
    RoundRecord,
    RunRecord,
    Status,
    key,
)
from bench.host.stats.across_machines import Across, across
from bench.host.stats.moderated import Prior, prior
from bench.host.stats.paired import Estimate, Ratio, all_round_log_ratios, estimate, mean_estimate
from bench.host.system.errors import UsageError

MANY = 12  # rounds that tell their own variance


class Run:
    """A run's record, rounds and counters, with the few questions that tables ask of them."""

    def __init__(
        self,
        folder: pathlib.Path,
        record: RunRecord,
        rounds: list[RoundRecord],
        counters: CountersRecord | None = None,
    ) -> None:
        self.folder, self.record, self.rounds, self.counters = folder, record, rounds, counters
        self.whole: Run | None = None  # of which this has one machine's rounds
        self._by_machine: tuple[int, dict[str, Run]] = 0, {}
        self.watch = round_files.Watch(folder, (entry.number for entry in rounds))
        self._times: dict[tuple[Cell, bool, int], Floats] = {}
        self._waits: dict[tuple[Cell, int], str] = {}
        self._said: dict[tuple[Any, ...], tuple[Floats, int]] = {}
        self._priors: dict[tuple[Any, ...], Prior] = {}
        self._turns: list[suspicion.Turns] = []  # of the rounds looked at so far

    @property
    def cells(self) -> list[Cell]:
        """Every engine on every runtime, runtime by runtime."""
        return [(engine, runtime) for runtime in self.record.runtimes for engine in self.record.engines]

    @property
    def machines(self) -> dict[str, Run]:
        """The rounds of each machine as a run, by "machine 1" and so on; of a single machine, this run itself."""
        if self.whole is not None:
            return {"machine 1": self}
        if self._by_machine[0] != len(self.rounds) or not self._by_machine[1]:
            self._by_machine = len(self.rounds), machines.split(self)
        return self._by_machine[1]

    def part(self, rounds: list[RoundRecord]) -> Run:
        """Some of its rounds as a run, whose cells count where they count in all of it."""
        part = Run(self.folder, self.record, rounds)
        part.whole = self
        return part

    @property
    def gated(self) -> bool:
        """Whether `microgpt-bench check` made it: its rounds have only the cells that were still open."""
        return (self.folder / GATE_ANSWER).exists()

    def of(self, cell: Cell) -> list[CellRecord]:
        """The cell's records, a round each; of several machines, of those on which it could start."""
        name = key(cell)
        records = [entry.cells[name] for entry in self.rounds if name in entry.cells]
        if any(entry.machine is not None for entry in self.rounds):
            records = [record for record in records if record.status != "skipped"] or records
        return records

    def status(self, cell: Cell) -> tuple[Status, str]:
        """ok only if every round was, else the first other status and its reason."""
        records = self.of(cell)
        bad = next((record for record in records if record.status != "ok"), None)
        if bad is not None:
            return bad.status, bad.reason
        return ("ok", "") if records else ("skipped", "not measured")

    def times(self, cell: Cell, since: int = 0, clock: str | None = None) -> Floats:
        """Seconds per step, (rounds from index ``since`` on, steps), by the plan's clock unless the cell is off it.

        Only for a cell whose status is ok. A round that it was not measured in, as in the gate's runs, is NaN. Ratios are
        made of a `pair` of them.
        """
        cpu = (clock or ("wall" if self.off_cpu(cell) else self.record.plan.clock)) == "cpu"
        known = (cell, cpu, len(self.rounds))  # they are added, and never changed
        if known not in self._times:
            missing, name = [math.nan] * self.record.plan.steps, key(cell)
            records = [entry.cells.get(name) for entry in self.rounds]
            taken = [missing if one is None else one.cpu_nanoseconds if cpu else one.nanoseconds for one in records]
            self._times[known] = np.array([times or missing for times in taken], dtype=np.float64) * 1e-9
        return self._times[known][since:]

    def pair(self, baseline: Cell, cell: Cell, since: int = 0) -> tuple[Floats, Floats]:
        """The times that a ratio of two cells is made of: both on the wall's clock where one is off processor time."""
        clock = "wall" if self.off_cpu(baseline) or self.off_cpu(cell) else None
        return self.times(baseline, since, clock), self.times(cell, since, clock)

    def ok(self, *cells: Cell) -> bool:
        """Was each of these cells measured in every round that has it, and did it agree with the reference?"""
        return all(self.status(cell)[0] == "ok" for cell in cells) and (self.whole is None or self.whole.ok(*cells))

    def speedup(
        self, engine: str, runtime: str, over: str | Cell = REFERENCE, steps: slice = slice(None)
    ) -> Ratio | None:
        """How many times as fast an engine is as another one on the same runtime, or as the cell ``over``.

        Paired step by step, with a 95 % interval where there are rounds enough; above 1 is faster. ``steps``: of those
        of a round. Of several machines: across them, as `across` says. None where one of the two has no time that counts.
        Raises UsageError for what the run has not.
        """
        return machines.ratio(self._by_machine_says(engine, runtime, over, steps))

    def across(self, engine: str, runtime: str, over: str | Cell = REFERENCE) -> Across | None:
        """`speedup` with each machine's own, and by how much they differ; None where fewer than two machines have it."""
        said = self._by_machine_says(engine, runtime, over, slice(None))
        return across(said) if len(said) > 1 else None

    def drifts(self, engine: str, runtime: str, over: str | Cell = REFERENCE) -> dict[str, tuple[float, float]]:
        """By machine, from which ratio to which `speedup` drifts over the run, of those where that is no chance."""
        said = self._by_machine_says(engine, runtime, over, slice(None))
        return {machine: each.drift for machine, each in said.items() if each.drift is not None}

    def _by_machine_says(self, engine: str, runtime: str, over: str | Cell, steps: slice) -> dict[str, Estimate]:
        self._check(engine, runtime)
        baseline, cell = (over, runtime) if isinstance(over, str) else over, (engine, runtime)
        return machines.estimates(self, lambda one: one._estimate(baseline, cell, steps))

    def _estimate(self, baseline: Cell, cell: Cell, steps: slice) -> Estimate | None:
        """The log-ratio of two cells on one machine, None where no round has both."""
        if not self.ok(baseline, cell):
            return None
        logs, clipped = self._says(baseline, cell, steps)
        if np.isnan(logs).all():
            return None
        return estimate(logs, clipped, Prior() if baseline == cell else self._prior(baseline[1], cell[1], steps))

    def mean_speedup(self, runtime: str, base: str) -> Ratio | None:
        """The geometric mean, over the engines that count on both, of their speedups over themselves on ``base``."""
        return machines.ratio(machines.estimates(self, lambda one: one._mean_estimate(runtime, base)))

    def _mean_estimate(self, runtime: str, base: str) -> Estimate | None:
        means = {}
        for name in self.record.runtimes:
            engines = [engine for engine in self.record.engines if self.ok((engine, base), (engine, name))]
            if engines and (name != base or name == runtime):
                means[name] = [self._says((engine, base), (engine, name)) for engine in engines]
        if runtime not in means:
            return None
        whole = [mean for mean in means.values() if len(mean) == len(means[runtime])]
        if not self._few or len(self.rounds) < 2:
            return mean_estimate(means[runtime], Prior())
        return mean_estimate(means[runtime], prior([np.mean([logs for logs, _ in mean], axis=0) for mean in whole]))

    def _says(self, baseline: Cell, cell: Cell, steps: slice = slice(None)) -> tuple[Floats, int]:
        """What `round_log_ratios` finds of the two, worked out once, with that of the other engines on these runtimes."""
        known = (steps.start, steps.stop, steps.step, len(self.rounds))  # rounds are added, and never changed
        if (baseline, cell, *known) not in self._said:
            pairs = {(baseline, cell), *(self._pairs(baseline[1], cell[1]) if self._few else ())}
            new = [pair for pair in pairs if (*pair, *known) not in self._said]
            times = [self.pair(*pair) for pair in new]
            says = all_round_log_ratios([(before[:, steps], after[:, steps]) for before, after in times])
            self._said.update({(*pair, *known): say for pair, say in zip(new, says)})
        return self._said[(baseline, cell, *known)]

    @property
    def _few(self) -> bool:
        """Whether there are so few rounds that a variance is estimated with those of the other engines."""
        return 1 < len(self.rounds) < MANY

    def _pairs(self, base: str, runtime: str) -> list[tuple[Cell, Cell]]:
        """Each engine on a runtime and what it is compared with, the reference there or itself on the runtime ``base``."""
        pairs = [
            ((REFERENCE if base == runtime else engine, base), (engine, runtime)) for engine in self.record.engines
        ]
        return [(one, other) for one, other in pairs if one != other and self.ok(one, other)]

    def _prior(self, base: str, runtime: str, steps: slice) -> Prior:
        """What a runtime's engines, over those on ``base``, tell of the variance of few rounds: they were the same ones."""
        known = (base, runtime, steps.start, steps.stop, steps.step, len(self.rounds))
        if not self._few:
            return Prior()
        if known not in self._priors:
            self._priors[known] = self._prior_of(base, runtime, steps)
        return self._priors[known]

    def _prior_of(self, base: str, runtime: str, steps: slice) -> Prior:
        says = [self._says(*pair, steps)[0] for pair in self._pairs(base, runtime)]
        return prior([logs for logs in says if not np.isnan(logs).any()])

    def _check(self, engine: str, runtime: str) -> None:
        for what, name, known in (
            ("engine", engine, self.record.engines),
            ("runtime", runtime, self.record.runtimes),
        ):
            if name not in known:
                raise UsageError(f"no {what} {name} in {self.folder.name}: choose from {', '.join(known)}")

    def losses(self, engine: str, runtime: str) -> list[float]:
        """The losses of a round's steps in nats per token: those of every round, as the seeded state is the same.

        Fewer than there are steps where the engine failed or diverged. Raises UsageError for what the run has not.
        """
        self._check(engine, runtime)
        return [float.fromhex(loss) for record in self.of((engine, runtime))[:1] for loss in record.losses]

    def steps(self) -> list[dict[str, Any]]:
        """A row for each step of each cell in each round: its loss, and its seconds on both clocks."""
        return machines.step_rows(self)

    def to_frame(self) -> Any:
        """`steps` as a pandas DataFrame. Raises UsageError where pandas is not installed."""
        try:
            pandas = importlib.import_module("pandas")
        except ImportError:
            raise UsageError("to_frame() needs pandas: python -m pip install pandas, or use steps()") from None
        return pandas.DataFrame(self.steps())

    def off_cpu(self, cell: Cell) -> str:
        """Why this cell's processor time does not say how long its steps take; "" where it does."""
        if self.whole is not None:  # on all machines, as ratios are compared
            return self.whole.off_cpu(cell)
        if self.record.plan.clock != "cpu":
            return ""
        records = self.of(cell)
        told = next((record.off_cpu for record in records if record.off_cpu), "")
        if not told and any(time <= 0 for record in records for time in record.cpu_nanoseconds):
            told = "its processor clock ticks too coarsely"
        return told or self.waits(cell)

    def waits(self, cell: Cell) -> str:
        """In words, how much of the cell's time is explained by nothing that the machine did; "" where all is."""
        rounds = len(self.rounds)  # they are added, and never changed
        if (cell, rounds) not in self._waits:
            self._turns += map(suspicion.turns_of, self.rounds[len(self._turns) :])
            self._waits[cell, rounds] = suspicion.waits(self.rounds, key(cell), self._turns)
        return self._waits[cell, rounds]

    def seconds(self, cell: Cell) -> Floats:
        """Seconds per step on the wall's clock, (rounds, steps). Only for a cell whose status is ok."""
        return np.array([record.nanoseconds for record in self.of(cell)]) * 1e-9

    def finding(self, cell: Cell) -> Finding | None:
        """Parity with the reference over all rounds; None where nothing was compared."""
        findings = [record.finding for record in self.of(cell) if record.finding is not None]
        return worst(findings) if findings else None

    def nodes(self, engine: str) -> float | None:
        """Graph nodes per step, a mean over the first steps; the same on every runtime."""
        counts = [
            record.nodes for runtime in self.record.runtimes for record in self.of((engine, runtime)) if record.nodes
        ]
        return float(np.mean(counts[0])) if counts else None

    def samples_seconds(self, cell: Cell) -> float | None:
        """Wall seconds for one of the samples of the cell, a mean; measured once, None where it was not."""
        drawn = ((record.samples_nanoseconds, record.samples) for record in self.of(cell))
        return next((total * 1e-9 / len(texts) for total, texts in drawn if total and texts), None)

    def samples(self, cell: Cell) -> list[str] | None:
        """What the trained model drew, None where it did not."""
        return next((record.samples for record in self.of(cell) if record.samples is not None), None)

    def peak_bytes(self, cell: Cell) -> int | None:
        """The worker's largest resident memory over the rounds."""
        return max((record.peak_bytes for record in self.of(cell) if record.peak_bytes), default=None)

    def parity_violations(self) -> list[Cell]:
        """Cells found to be worse than their engine promises, diverged ones included."""
        broken = []
        for cell in self.cells:
            finding, promised = self.finding(cell), self.record.engines[cell[0]].parity
            if finding and not meets_promise(finding, promised):
                broken.append(cell)
        return broken

    def uncounted(self) -> list[Cell]:
        """The cells whose counting process failed."""
        counted = self.counters.cells if self.counters else {}
        return [cell for cell in self.cells if key(cell) in counted and counted[key(cell)].failed]

    def good(self) -> bool:
        """Did every cell that could run measure, agree and keep its promise?"""
        return not self.parity_violations() and all(self.status(cell)[0] in ("ok", "skipped") for cell in self.cells)
