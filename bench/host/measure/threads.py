"""How much more gets done when several models are trained at the same time, in threads of one process or in processes.

A crew is N models of an engine on a runtime: N threads of one worker, or N workers. All crews of an engine and a runtime live at
the same time and take turns, in an order shuffled each turn: in a turn every model of a crew takes the same steps of the training run, from
the seeded state on. So a crew's time is paired with that of one model alone, turn by turn. Each loss of each model is compared with
the reference's of the same step on the same runtime; a crew of which one loss is wrong has no time.
"""

from __future__ import annotations

import dataclasses
import math
import pathlib
import random
import time
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bench.host.measure import copies, engine_files
from bench.host.measure.plan import Plan
from bench.host.measure.prepare import Request
from bench.host.measure.rounds import describe_engines
from bench.host.measure.session import Session
from bench.host.measure.worker_process import EngineUnavailable, WorkerFailed, WorkerProcess, stop_all
from bench.host.results import store
from bench.host.results.parity import Agreement, Finding, compare_losses, meets_promise, parity_text, worst
from bench.host.results.records import REFERENCE, SCHEMA
from bench.host.results.run import Run
from bench.host.results.threads import WAYS, Crew, Threads
from bench.host.system.interpreters import Runtime
from bench.host.system.progress import Progress, count

TURN_SECONDS = 0.25  # of one model alone, at least: starting threads and asking workers takes about a thousandth of it
TURNS = 3  # of each crew in a round


class Team:
    """A crew at work: its workers, and what they said so far in this round."""

    def __init__(self, plan: Plan, engine: str, runtime: Runtime, way: str, size: int, one_import: bool) -> None:
        self.way, self.size, self.status, self.reason = way, size, "ok", ""
        self.seconds: list[float] = []
        self.findings: list[Finding] = []
        self.started: list[dict[str, Any]] = []
        subject, self.timeout = plan.engines[engine], plan.settings.timeout_seconds
        workers, threads = (1, size) if way == "threads" else (size, 1)
        self.workers = [WorkerProcess(runtime, str(subject.source)) for _ in range(workers)]
        self.started = self.ask(
            do="crowd",
            engine=subject.loads,
            documents=str(plan.documents),
            config=plan.config,
            gc=plan.settings.gc,
            threads=threads,
            one_import=one_import,
        )
        for said in self.started:
            if any(runtime.described.get(fact, value) != value for fact, value in said["runtime"].items()):
                self.end("failed", f"the worker is another build, or has other switches, than {runtime.name} said")

    def ask(self, **order: Any) -> list[dict[str, Any]]:
        """Give all its workers an order at the same time; no answers where that ended the crew."""
        try:
            with ThreadPoolExecutor(len(self.workers)) as pool:
                answers = pool.map(lambda worker: worker.ask(self.timeout, **order), self.workers)
                return list(answers)
        except EngineUnavailable as why:
            self.end("failed" if self.started else "skipped", str(why))
        except WorkerFailed as why:
            self.end("failed", str(why))
        return []

    def end(self, status: str, reason: str) -> None:
        """Stop here, for this reason."""
        self.status, self.reason = status, reason
        stop_all(self.workers)

    def turn(self, steps: int, repeats: int, expected: Sequence[float] | None) -> list[float]:
        """One turn, timed and held against the losses ``expected`` of its steps; the first model's losses."""
        began = time.perf_counter()
        answers = self.ask(do="together", steps=steps, repeats=repeats)
        seconds = time.perf_counter() - began
        losses = [[float.fromhex(loss) for loss in model] for answer in answers for model in answer.get("crowd", [])]
        if not answers:
            return []
        if [len(model) for model in losses] != [steps * repeats] * self.size:
            self.end("failed", f"it trained other steps than the {steps * repeats} that it was told")
            return []
        expected = losses[0][:steps] if expected is None else expected
        for model in losses:
            for start in range(0, steps * repeats, steps):
                finding = compare_losses(expected, model[start : start + steps])
                self.findings.append(finding)
                if finding.parity is Agreement.DIVERGED:
                    self.end(
                        "diverged",
                        f"with {self.size} {self.way}: {finding.reason}",
                    )
                    return []
        self.seconds.append(round(seconds, 6))
        return losses[0]


def run(session: Session, request: Request, counts: Sequence[int], one_import: bool, folder: pathlib.Path) -> Threads:
    """A whole measurement, into a new run's ``folder``. Raises UsageError, WorkloadError, EngineError, Interrupted."""
    session.prepare(request)
    created = session.create(folder)
    kept = f"interrupted: the engines that were done are kept in {created.folder / 'threads.json'}"
    with session.measuring(None, lambda: kept) as progress:
        for line in session.record.notes:
            progress.say(line)
        progress.say(
            f"{count(len(session.plan.engines), 'engine')}, {counts[-1]} models at a time at most, into {created.folder}"
        )
        threads = Threads(SCHEMA, created.record, list(counts), one_import, [])
        return measure(session.plan, threads, created, progress, engine_files.rows(request.engine_names))


def measure(plan: Plan, threads: Threads, run: Run, progress: Progress, asked: Collection[str]) -> Threads:
    """Every engine on every runtime, those not ``asked`` for only to prove the others by, added to ``threads`` and saved after each."""
    copied = copies.of(plan.documents.parent, plan.runtimes)
    for runtime in plan.runtimes:
        expected: list[float] | None = None
        for engine in sorted(plan.engines, key=lambda name: name != REFERENCE):
            if threads.crews and plan.deadline.over:
                progress.say(f"stopped before {engine} on {runtime.name}: the budget of {plan.deadline} is used up")
                return threads
            progress.advance(f"{engine} on {runtime.name}")
            crews, losses = _engine(plan, threads, run, engine, runtime, expected, asked)
            if copied.mend():
                progress.say(f"{engine} changed what workers import: it was restored")
            if engine == REFERENCE:
                expected = losses
            threads = dataclasses.replace(threads, record=run.record, crews=[*threads.crews, *crews])
            store.write_json(run.folder / "threads.json", threads)
            for crew in crews:
                if crew.status not in ("ok", "skipped"):
                    progress.say(f"{engine} on {runtime.name} {crew.status}: {crew.reason}")
            if expected is None:  # nothing can be proven here
                break
    return threads


def _engine(
    plan: Plan,
    threads: Threads,
    run: Run,
    engine: str,
    runtime: Runtime,
    expected: list[float] | None,
    asked: Collection[str],
) -> tuple[list[Crew], list[float] | None]:
    """All crews of an engine on a runtime, and the losses of one of its models."""
    kinds = [(way, size) for way in WAYS for size in threads.counts if size > 1 or way == "threads"]
    rounds = plan.settings.rounds
    if engine not in asked:  # the reference is here to prove the others by
        kinds, rounds = kinds[:1], 1
    seconds: dict[tuple[str, int], list[list[float]]] = {kind: [] for kind in kinds}
    ended: dict[tuple[str, int], tuple[str, str]] = {}
    findings: dict[tuple[str, int], list[Finding]] = {kind: [] for kind in kinds}
    repeats, losses, steps = 0, expected, plan.settings.steps
    for number in range(rounds):
        if number and plan.deadline.over:
            break
        rng = random.Random(f"{plan.settings.order_seed}/{engine}/{runtime.name}/{number}")
        teams: list[Team] = []
        try:
            for way, size in kinds:
                if (way, size) not in ended:
                    teams.append(Team(plan, engine, runtime, way, size, threads.one_import))
            said = next((team.started[0] for team in teams if team.started), None)
            if said is not None and not repeats:
                repeats = max(1, math.ceil(TURN_SECONDS / (said["estimate_ns"] * 1e-9 * steps)))
                describe_engines(run, {engine: said["engine"]})
            for _ in range(TURNS):
                alive = [team for team in teams if team.status == "ok"]
                for team in rng.sample(alive, len(alive)):
                    said_losses = team.turn(steps, repeats, losses)
                    losses = losses or said_losses[:steps] or None
        finally:
            stop_all(worker for team in teams for worker in team.workers)
        for team in teams:
            kind = team.way, team.size
            seconds[kind].append(team.seconds)
            findings[kind] += team.findings
            if team.status != "ok":
                ended[kind] = team.status, team.reason
    crews = []
    for kind in kinds:
        status, reason = ended.get(kind, ("ok", ""))
        found = worst(findings[kind]) if findings[kind] else None
        promised = run.record.engines[engine].parity
        if status == "ok" and found is not None and not meets_promise(found, promised):
            status, reason = "diverged", f"broke its promise: {promised}"
        text = parity_text(found) if found is not None else ""
        times = seconds[kind] if status == "ok" else []
        crews.append(Crew(engine, runtime.name, *kind, steps * max(1, repeats), times, text, status, reason))
    return crews, losses
