"""Exact counts of many engines: instructions of a step under Valgrind, graph nodes, and whether the losses agree.

As `valgrind`, but the engines of a batch are children of one process (bench/workload/counting.py): a process starts once for
all of them, and Valgrind has translated most of the code before the first. Of the reference's own step, `valgrind`'s count
differs by up to 0.2 %, as another layout of the memory makes it; the count of the same files repeats.

Instructions are counted on one position (``POSITIONS``), because Valgrind makes a whole document's step last seconds; nodes and
agreement are of whole documents, in a process without Valgrind.

Counts are kept in the user's cache, batch by batch, so that a command that was interrupted goes on where it was.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import pathlib
import re
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from bench.host.measure import engine_family, sources
from bench.host.measure.valgrind import KEPT, ONE_THREAD, CannotCount, find_valgrind, valgrind_version
from bench.host.results import interactions, parity, store, switches
from bench.host.results.interactions import Counted, InteractionsRecord
from bench.host.results.parity import Finding
from bench.host.results.records import REFERENCE, SCHEMA
from bench.host.results.switches import Combination
from bench.host.system import datasets, processes
from bench.host.system.deadline import Deadline
from bench.host.system.interpreters import Runtime
from bench.host.system.progress import Progress
from bench.workload.config import Config
from bench.workload.counting import ANSWER

BATCH = 40
DOCUMENTS = 50  # each child reads and shuffles them under Valgrind
STEPS = 1
POSITIONS = 1  # of the context, where instructions are counted
TIMEOUT = 1800.0  # seconds for a batch
START = "import sys; sys.path[0] = sys.argv[1]; from bench.workload.counting import main; main()"


def count(
    runtime: Runtime,
    combinations: Sequence[Combination],
    config: Config,
    documents: Sequence[str],
    workspace: pathlib.Path,
    progress: Progress,
    deadline: Deadline,
) -> InteractionsRecord:
    """Every combination, as the cache has it or counted now; those that the ``deadline`` leaves no time for are lacking.

    Those of one switch come first, then what they let expect to be cheap; a batch at a time, and the first one in any
    case. ``workspace`` has a copy of the sources. Raises CannotCount.
    """
    empty = InteractionsRecord(SCHEMA, valgrind_version(), runtime.name, config.record(), POSITIONS, {})
    cached = _cached(runtime, empty, documents, workspace)
    record = interactions.read(cached) if cached.exists() else empty
    while todo := _next(combinations, record):
        if record.engines and deadline.over:
            progress.say(f"{len(todo)} of {len(combinations)} combinations are not counted: {deadline} are over")
            break
        done = len(combinations) - len(todo)
        progress.advance(f"instructions on {runtime.name}: {done} of {len(combinations)}")
        counted, failed = _batch(runtime, todo[:BATCH], record.config, documents, workspace)
        record = dataclasses.replace(record, engines={**record.engines, **counted}, failed={**record.failed, **failed})
        cached.parent.mkdir(parents=True, exist_ok=True)
        store.write_json(cached, record, indent=None)
    wanted = [switches.name(one) for one in combinations]  # the cache may have more
    return dataclasses.replace(
        record,
        engines={name: record.engines[name] for name in wanted if name in record.engines},
        failed={name: record.failed[name] for name in wanted if name in record.failed},
    )


def _next(combinations: Sequence[Combination], record: InteractionsRecord) -> list[Combination]:
    """What is not counted yet, in the order to count it in."""
    todo = [one for one in combinations if switches.name(one) not in {**record.engines, **record.failed}]
    costs = record.costs
    expected = {name[0]: math.log(costs[name] / costs[()]) for name in costs if len(name) == 1}
    return sorted(todo, key=lambda one: (len(one) > 1, sum(expected.get(name, 0.0) for name in one)))


def _cached(
    runtime: Runtime, empty: InteractionsRecord, documents: Sequence[str], workspace: pathlib.Path
) -> pathlib.Path:
    facts = [
        dataclasses.asdict(empty),
        runtime.described,
        engine_family.TEMPLATE.read_text(encoding="utf-8"),
        sources.digest(workspace / "source" / "bench"),
        (workspace / "source" / "engines" / f"{REFERENCE}.py").read_text(encoding="utf-8"),
        list(documents),
    ]
    name = hashlib.sha256(json.dumps(facts, default=str).encode()).hexdigest()[:32]
    return datasets.cache() / "counts" / f"{name}.json"


def _batch(
    runtime: Runtime,
    combinations: Sequence[Combination],
    config: Mapping[str, Any],
    documents: Sequence[str],
    workspace: pathlib.Path,
) -> tuple[dict[str, Counted], dict[str, str]]:
    """The combinations counted in one process, and why others were not."""
    folder = workspace / "counting"
    folder.mkdir(exist_ok=True)
    names = {}
    for number, combination in enumerate(combinations):
        path = folder / f"{number:04}.py"  # of one length, as paths are in the counts
        path.write_text(engine_family.source(combination), encoding="utf-8")
        names[str(path)] = switches.name(combination)
    (folder / "documents.txt").write_text("\n".join(documents) + "\n", encoding="utf-8")
    order: dict[str, Any] = {"documents": str(folder / "documents.txt"), "engines": [REFERENCE, *names], "steps": STEPS}
    source, one_position = workspace / "source", {**config, "block_size": POSITIONS}
    whole = _answers(runtime, folder, source, {**order, "config": config, "whole": True})
    short = _answers(runtime, folder, source, {**order, "config": one_position, "whole": False}, _valgrind(folder))
    counted, failed = {}, {}
    for engine, name in names.items():
        said = [answers.get(engine, {"error": "its process ended without an answer"}) for answers in (whole, short)]
        if wrong := next((answer["error"] for answer in said if "error" in answer), ""):
            failed[name] = wrong
            continue
        before, after = (_total(folder / f"counted.{process}") for process in said[1]["processes"])
        losses = parity.compare_losses(_losses(short[REFERENCE]), _losses(short[engine]))
        finding = parity.worst([_compare(whole[REFERENCE], whole[engine]), losses])
        counted[name] = Counted((after - before) / STEPS, sum(said[0]["nodes"]) / STEPS, finding)
    for left in folder.glob("counted.*"):
        left.unlink()
    return counted, failed


def _valgrind(folder: pathlib.Path) -> list[str]:
    """The words before an interpreter's. Raises CannotCount."""
    words = [find_valgrind(), "--command-line-only=yes", "--tool=cachegrind", "--cache-sim=no", "--branch-sim=no"]
    return [*words, f"--cachegrind-out-file={folder / 'counted'}.%p"]


def _answers(
    runtime: Runtime, folder: pathlib.Path, source: pathlib.Path, order: Mapping[str, Any], under: Sequence[str] = ()
) -> dict[str, Any]:
    """What each child said, by its engine. ``under``: the words of a program that runs the interpreter. Raises CannotCount."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    environment = {**kept, **ONE_THREAD, "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "0", processes.MARKER: str(folder)}
    try:
        done = subprocess.run(
            [*under, runtime.executable, "-s", "-B", "-c", START, str(source)],
            input=json.dumps(order).encode() + b"\n",
            capture_output=True,
            env={**environment, **runtime.environment},
            cwd=source,
            start_new_session=True,
            timeout=TIMEOUT,
        )
    except subprocess.TimeoutExpired:
        raise CannotCount(f"{len(order['engines'])} engines took longer than {TIMEOUT:.0f} s") from None
    except OSError as error:
        raise CannotCount(f"cannot run {error.filename}: {error.strerror}") from None
    lines = done.stdout.decode(errors="replace").splitlines()
    answers = {
        answer["engine"]: answer
        for answer in (json.loads(line[len(ANSWER) :]) for line in lines if line.startswith(ANSWER))
    }
    if "losses" not in answers.get(REFERENCE, {}):
        last = (done.stderr.decode(errors="replace").strip() or "no message").splitlines()[-1]
        raise CannotCount(f"{runtime.name} cannot count: {last}")
    return answers


def _total(path: pathlib.Path) -> int:
    """Raises CannotCount."""
    found = re.search(r"^summary: (\d+)", path.read_text(errors="replace"), re.MULTILINE) if path.exists() else None
    if found is None:
        raise CannotCount(f"Valgrind left no count in {path.name}")
    return int(found[1])


def _losses(answer: Mapping[str, Any]) -> list[float]:
    return [float.fromhex(loss) for loss in answer["losses"]]


def _compare(reference: Mapping[str, Any], answer: Mapping[str, Any]) -> Finding:
    """Losses of all steps, gradients of the first, weights after the last, by the rules of a run."""
    gradients = [parity.unpack(said["gradients"]) for said in (reference, answer)]
    parameters = [parity.unpack(said["parameters"]) for said in (reference, answer)]
    return parity.worst(
        [
            parity.compare_losses(_losses(reference), _losses(answer)),
            parity.compare_gradients(gradients[0], gradients[1], reference["shapes"]),
            parity.compare_parameters(parameters[0], parameters[1]),
        ]
    )
