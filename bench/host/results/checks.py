"""Values that can be what they say: what is read from disk is believed only after this; its shape is checked before, in shapes.py.

Every check raises ValueError with what is wrong; whoever reads the file adds its name and what to do.
"""

from __future__ import annotations

import datetime
import re
import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from bench.host.results.parity import Agreement
from bench.host.results.shapes import at_least
from bench.host.system import facts
from bench.workload.config import Config
from bench.workload.model_file import config_of

SHORTEST, LONGEST = 1e-15, 1e9  # seconds that a measured time can be
MOST_STEPS, MOST_ROUNDS = 10**7, 10**6
NAME = r"[^/\\\x00-\x1f]+"  # of a runtime or a peer: it becomes part of file names and lines
ROW = r"[^\x00-\x1f]+"  # of an engine: the end of a file's path may tell it from another one
STATUSES = ("ok", "diverged", "failed", "skipped")


def check_run(record: Any) -> None:
    """A RunRecord."""
    datetime.datetime.fromisoformat(record.created)
    check_config(record.workload.config)
    for name in ("documents", "vocabulary", "parameters"):
        at_least(getattr(record.workload, name), 0, name)
    check_plan(record.plan)
    _check_machine(record.machine)
    if not record.runtimes or not record.engines:
        raise ValueError("it has no runtime or no engine")
    for name, runtime in record.runtimes.items():
        _name(name, "runtime")
        if not runtime.specification or "\0" in runtime.specification:
            raise ValueError(f"the specification of {name} is {runtime.specification!r:.60}")
        for variable, value in runtime.environment.items():
            if not re.fullmatch(r"[A-Za-z_]\w*", variable, re.ASCII) or "\0" in value:
                raise ValueError(f"the environment of {name} has {variable!r:.60}")
        try:
            facts.checked(runtime.described)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    for name, engine in record.engines.items():
        _name(name, "engine")
        Agreement(engine.parity)
        _check_parents(name, record.engines)


def _check_machine(machine: Mapping[str, Any]) -> None:
    for name in ("cpu", "cores", "platform", "identity"):
        _has(machine, name, "machine")


def check_config(config: Mapping[str, Any]) -> None:
    """The workload's configuration: microgpt.py's numbers are always there, options where they are on."""
    for name in Config().record():
        _has(config, name, "configuration")
    config_of(dict(config))


def check_plan(plan: Any) -> None:
    """A PlanRecord."""
    at = plan.at
    if not 0 <= plan.lead_in <= MOST_STEPS:
        raise ValueError(f"its plan has {plan.lead_in} steps of lead-in")
    if at is not None and (len(at) != plan.steps or min(at) < 1 or any(b <= a for a, b in zip(at, at[1:]))):
        raise ValueError(f"its plan's steps are {at!r:.60}")
    if not 1 <= plan.steps <= MOST_STEPS or not 0 <= plan.rounds <= MOST_ROUNDS:
        raise ValueError(f"its plan has {plan.steps} steps and {plan.rounds} rounds")
    if plan.fewest is not None and not 1 <= plan.fewest <= plan.rounds:
        raise ValueError(f"its plan has {plan.rounds} rounds, and {plan.fewest} or more")
    if plan.gc not in ("on", "off", "freeze") or plan.clock not in ("cpu", "wall"):
        raise ValueError(f"its plan has the collector {plan.gc!r:.60} and the clock {plan.clock!r:.60}")
    for name in ("turn_seconds", "timeout_seconds", "budget_seconds"):
        value = getattr(plan, name)
        if value is not None and not 0 < value < LONGEST:
            raise ValueError(f"its {name} is {value}")
    if plan.affinity is not None and (not plan.affinity or min(plan.affinity) < 0):
        raise ValueError(f"its affinity is {plan.affinity!r:.60}")
    if plan.part is not None and (len(plan.part) != 2 or not 1 <= plan.part[0] <= plan.part[1] <= MOST_ROUNDS):
        raise ValueError(f"its part is {plan.part!r:.60}")


def check_round(entry: Any) -> None:
    """A RoundRecord by itself."""
    at_least(entry.number, 1, "number")
    at_least(entry.seconds, 0, "seconds")
    at_least(entry.planned or 1, 1, "planned round")
    if entry.machine is not None:
        _check_machine(entry.machine)
    for name, cell in entry.cells.items():
        try:
            _check_cell(cell)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None


def check_round_of(entry: Any, plan: Any) -> None:
    """A RoundRecord as one of a run's."""
    for name, cell in entry.cells.items():
        times = [cell.nanoseconds]
        if plan.clock == "cpu" and not cell.off_cpu:
            times.append(cell.cpu_nanoseconds)
        if cell.status == "ok" and {len(cell.losses), *map(len, times)} != {plan.steps}:
            raise ValueError(f"{name} lacks steps")
        others = [
            cell.cpu_nanoseconds,
            cell.delay_nanoseconds,
            cell.yields,
            cell.first_nanoseconds,
            cell.own_nanoseconds,
        ]
        if cell.status == "ok" and any(len(other) not in (0, plan.steps) for other in others):
            raise ValueError(f"{name} lacks steps")


def _check_cell(cell: Any) -> None:
    for loss in (*cell.losses, *cell.validations):
        check_hexadecimal(loss)
    if cell.status == "ok":
        check_times([ns * 1e-9 for ns in cell.nanoseconds], "nanoseconds")
    # of a processor clock that ticks too coarsely there are zeros: then the other clock is looked at
    for name in ("cpu_nanoseconds", "delay_nanoseconds", "yields", "first_nanoseconds", "own_nanoseconds"):
        for value in getattr(cell, name):
            at_least(value, 0, name)
    at_least(cell.repeats, 1, "repeats")
    for count in cell.nodes or []:
        at_least(count, 0, "nodes")
    for name in ("peak_bytes", "samples_nanoseconds", "start_nanoseconds"):
        if getattr(cell, name) is not None:
            at_least(getattr(cell, name), 0, name)


def check_counters(record: Any) -> None:
    """A CountersRecord."""
    for name, cell in record.cells.items():
        at_least(cell.cycle, 1, "cycle")
        if cell.steps is not None and (len(cell.steps) != 2 or not 0 <= cell.steps[0] < cell.steps[1]):
            raise ValueError(f"{name} was counted over {cell.steps!r:.60} steps")
        for field in ("nodes", "blocks", "peak_bytes", "collector_share", "collections"):
            if getattr(cell, field) is not None:
                at_least(getattr(cell, field), 0, f"{field} of {name}")
        if cell.instructions is not None:
            at_least(cell.instructions, 1, f"instructions of {name}")


def check_scaling(scaling: Any, factors: Sequence[str], sizes: Callable[[Any], list[dict[str, int]]]) -> None:
    """A Scaling: every engine that is in it has every size, and its sizes the same number of rounds."""
    check_run(scaling.record)
    if sorted(scaling.factors) != sorted(factors):
        raise ValueError(f"its factors are {', '.join(scaling.factors)}")
    for name, values in scaling.factors.items():
        if not values or values[0] < 1 or values != sorted(set(values)):
            raise ValueError(f"its sizes of {name} are {values!r:.60}")
    wanted = sorted(sorted(point.items()) for point in sizes(scaling.factors))
    for engine in {point.engine for point in scaling.points}:
        points = [point for point in scaling.points if point.engine == engine]
        if sorted(sorted(point.sizes.items()) for point in points) != wanted:
            raise ValueError(f"{engine} does not have each size once")
        for point in points:
            if point.status not in STATUSES:
                raise ValueError(f"{engine} is {point.status!r:.60}")
            if point.status == "ok":
                check_times(point.seconds, f"seconds of {engine}")
            if point.nodes is not None:
                at_least(point.nodes, 0, "nodes")
        if len({len(point.seconds) for point in points if point.status == "ok"}) > 1:
            raise ValueError(f"{engine} has more rounds of one size than of another")


def check_peers(record: Any, steps: int, digits: Callable[[Sequence[str]], object]) -> None:
    """A PeersRecord beside a run of this many steps."""
    names = [peer.name for peer in record.peers]
    if len(set(names)) != len(names):
        raise ValueError("two of its peers have one name")
    for peer in record.peers:
        _name(peer.name, "peer")
        if not peer.command or not all(peer.command) or (peer.shell and not shlex.split(peer.command[0])):
            raise ValueError(f"the command of {peer.name} is {peer.command!r:.60}")
    for entry in record.rounds:
        for name, done in entry.items():
            if name not in names:
                raise ValueError(f"a round has {name}, which is none of its peers")
            if done.status != "ok":
                continue
            if done.ended is not None:
                check_times([done.ended], f"end of {name}")
            if record.peer(name).two_counts:
                most = record.peer(name).long_steps or steps
                if None in (done.ended, done.short_ended, done.short_steps) or not 0 < done.short_steps < most:
                    raise ValueError(f"{name} was not run with two numbers of steps")
                check_times([done.short_ended, done.ended - done.short_ended], f"times of {name}")
            if done.weights_off is not None:
                at_least(done.weights_off, 0, f"weights_off of {name}")
            whole = record.peer(name).silent and done.ended is not None and len(done.losses) < steps
            if len(done.losses) != len(done.arrived) or (len(done.losses) != steps and not whole) or steps < 2:
                raise ValueError(f"{name} has {len(done.losses)} losses and {len(done.arrived)} times of {steps} steps")
            if not done.losses:
                continue
            digits(done.losses)
            if done.arrived != sorted(done.arrived):
                raise ValueError(f"the lines of {name} did not arrive one after the other")
            check_times([done.arrived[-1], done.arrived[0]], f"times of {name}")


def check_calibration(calibration: Any) -> None:
    """A Calibration."""
    datetime.datetime.fromisoformat(calibration.created)
    for name in ("cpu", "cores"):
        _has(calibration.machine, name, "machine")
    if not 0 < calibration.budget_seconds < LONGEST or not 1 <= calibration.steps <= MOST_STEPS:
        raise ValueError(f"its budget is {calibration.budget_seconds} s, of {calibration.steps} steps")
    if calibration.gate.looks[0] < 1 or calibration.gate.looks[-1] > 10**4:
        raise ValueError(f"its gate looks at {calibration.gate.looks!r:.60}")
    for trial in calibration.trials:
        at_least(trial.slowdown, 0, "slowdown")
        check_times([trial.took_seconds, trial.budget_seconds], "times")
        check_times(trial.baseline, "baseline")
        check_times(trial.seconds, "seconds")
        if not len(trial.logs) == len(trial.baseline) == len(trial.seconds) == trial.rounds >= 1:
            raise ValueError(f"a trial of {trial.rounds} rounds has {len(trial.logs)} ratios")
        if not all(abs(log) < 100 for log in trial.logs):
            raise ValueError("the logarithm of a ratio is out of all proportion")
    for count in calibration.counts:
        at_least(count.slowdown, 0, "slowdown")
        if not 1e-9 < count.ratio < 1e9:
            raise ValueError(f"a ratio of counts is {count.ratio}")


def check_table(table: Any) -> None:
    """A Table: each row has a cell for each head."""
    if not table.above or not table.headers or any(len(row) != len(table.headers) for row in table.rows):
        raise ValueError("its table has no summary, or a row with more or fewer cells than heads")


def _has(names: Collection[str], name: str, where: str) -> None:
    if name not in names:
        raise ValueError(f"its {where} lacks {name}")


def _name(name: str, what: str) -> None:
    if not re.fullmatch(ROW if what == "engine" else NAME, name) or name in (".", ".."):
        raise ValueError(f"{name!r:.60} can't be the name of a {what}")


def _check_parents(name: str, engines: Mapping[str, Any]) -> None:
    seen = [name]
    while (parent := engines[seen[-1]].parent) is not None and parent in engines:
        if parent in seen:
            raise ValueError(f"the engine {name} is its own ancestor")
        seen.append(parent)


def check_times(seconds: Sequence[float], what: str) -> None:
    """Times in seconds, each above 0."""
    if not seconds or not all(SHORTEST < value < LONGEST for value in seconds):
        raise ValueError(f"its {what} are no times above 0: {seconds!r:.60}")


def check_hexadecimal(number: Any) -> None:
    """A number as float.hex writes it."""
    if not isinstance(number, str):
        raise ValueError(f"expected a number as float.hex, got {number!r:.60}")
    try:
        float.fromhex(number)
    except (ValueError, OverflowError):
        raise ValueError(f"{number!r:.60} is no number as float.hex writes it") from None
