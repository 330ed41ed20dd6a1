"""Experiments that each runtime does by itself: how deep a graph an engine can walk, how far apart logits may lie, sums."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from bench.host.measure import finding
from bench.host.results import claims_checks, store
from bench.host.results.records import REFERENCE, SCHEMA, ClaimsRecord
from bench.host.results.run import Run
from bench.host.system.errors import UsageError
from bench.host.system.interpreters import MARK, ROOT, Runtime, answer_in, worker_environment
from bench.host.system.progress import Progress

ITERATIVE, FUSED = "iterative", "fused_cross_entropy"

SCRIPT = (
    "import json, os, sys; sys.path[0] = sys.argv[1]\n"
    "from bench.workload import experiments\n"
    "answers = {how: {name: getattr(experiments, how)(name) for name in names}\n"
    "         for how, names in json.loads(sys.argv[2]).items()}\n"
    "with os.fdopen(1, 'w') as answer: answer.write('\\n' + sys.argv[3] + json.dumps(answers) + '\\n')\n"
)
EXPERIMENTS = {"depth": [REFERENCE, ITERATIVE], "stability": [REFERENCE, FUSED], "sums": ["dot"]}


def experiment(runtime: Runtime) -> dict[str, Any]:
    """All experiments in an interpreter. Raises UsageError where it fails."""
    done = subprocess.run(
        [runtime.executable, "-s", "-c", SCRIPT, str(ROOT), json.dumps(EXPERIMENTS), MARK],
        env=worker_environment(runtime.environment),
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=300,
    )
    answer = answer_in(done.stdout)
    if done.returncode or answer is None:
        raise UsageError(
            f"{runtime.name} cannot run the experiments: {(done.stderr.strip() or 'no message').splitlines()[-1]}"
        )
    return answer


def kept(run: Run) -> ClaimsRecord:
    """What the experiments of a run's runtimes said; of no runtime where they were not done."""
    path = run.folder / "claims.json"
    return store.read(path, ClaimsRecord, claims_checks.check_claims) if path.exists() else ClaimsRecord(SCHEMA, {})


def measure(run: Run, again: bool, progress: Progress) -> ClaimsRecord:
    """The experiments of a run's runtimes, saved beside it; those that are there already are not done again."""
    record = ClaimsRecord(SCHEMA, {}) if again else kept(run)
    for name, about in run.record.runtimes.items():
        if name in record.runtimes:
            continue
        progress.advance(f"experiments on {name}")
        record.runtimes[name] = experiment(finding.find_again(name, about))
        store.write_json(run.folder / "claims.json", record, indent=None)  # hundreds of small answers
    return record
