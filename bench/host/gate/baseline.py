"""What today's engines are held against: a git revision, another runtime, or an earlier run."""

from __future__ import annotations

from collections.abc import Sequence

from bench.host.gate.decide import ComparedPair
from bench.host.measure import revision
from bench.host.measure.plan import Before, Plan
from bench.host.results.records import REFERENCE, RunRecord
from bench.host.results.run import Run
from bench.host.results.verdicts import Row
from bench.host.system.errors import UsageError
from bench.host.system.interpreters import ROOT

CLAIMS = ROOT / "results" / "default"  # the committed run whose headline stands in the README


def against_revision(plan: Plan, before: Before) -> tuple[list[ComparedPair], list[Row]]:
    """Each engine beside itself at the revision; and a row for each that is new, or not there any more."""
    pairs, unmatched, label = [], [], before.label
    why = "there is no earlier commit" if label == revision.FIRST else f"{label} has no engine {{}}"
    for runtime in plan.runtimes:
        for engine, other in before.baselines.items():
            pairs.append(ComparedPair((engine, runtime.name), (other, runtime.name)))
        for engine in before.new:
            unmatched.append(Row(engine, runtime.name, "NEW", label, reason=why.format(engine)))
        for engine in before.removed:
            unmatched.append(
                Row(engine, runtime.name, "REMOVED", label, reason=f"{label} has it, and it is gone since")
            )
    return pairs, unmatched


def against_python(plan: Plan, base: str) -> list[ComparedPair]:
    """Each engine on each runtime beside itself on the runtime ``base``."""
    return [ComparedPair((engine, runtime), (engine, base)) for engine, runtime in plan.cells if runtime != base]


def asked_for(pairs: list[ComparedPair], engine_names: Sequence[str]) -> list[ComparedPair]:
    """Without the reference where it is here only to prove the others by: it is the slowest, and would take the time."""
    if not engine_names or REFERENCE in engine_names:
        return pairs
    return [pair for pair in pairs if pair.cell[0] != REFERENCE]


def against_run(
    plan: Plan, mine: RunRecord, baseline: Run, anyway: bool, all_builtin: bool = False
) -> tuple[list[ComparedPair], list[Row], list[str]]:
    """Each engine's speed over the reference, held against the interval that it had in ``baseline``.

    Also rows for engines that ``baseline`` lacks, or, where ``all_builtin`` ones are measured, had beyond them; and lines about what is not like with like. Raises UsageError where
    the two have no runtime in common, or differ in the workload, or (unless ``anyway``) in machine or build.
    """
    pairs, unmatched, notes = [], [], []
    theirs, what = baseline.record, baseline.folder.name
    if (mine.workload.sha256, mine.workload.config) != (theirs.workload.sha256, theirs.workload.config):
        raise UsageError(f"{what} was measured on another workload: give the same --data and sizes here")
    if mine.plan.steps != theirs.plan.steps or mine.plan.gc != theirs.plan.gc:
        raise UsageError(
            f"{what} was measured with --steps {theirs.plan.steps} and --gc {theirs.plan.gc}: give the same here"
        )
    if mine.plan.which != theirs.plan.which:
        raise UsageError(
            f"{what} is of other steps of the training run, or of processes of another past, and so cannot be compared here"
        )
    shared = [name for name in mine.runtimes if name in theirs.runtimes]
    if not shared:
        raise UsageError(
            f"{what} has no runtime {', '.join(mine.runtimes)}, only {', '.join(theirs.runtimes)}: choose with --python"
        )
    if mine.machine["identity"] != theirs.machine["identity"]:
        notes.append(f"NOT LIKE WITH LIKE: {what} was measured on another machine ({theirs.machine['cpu']})")
    for name in shared:
        if mine.runtimes[name].described["build"] != theirs.runtimes[name].described["build"]:
            notes.append(f"NOT LIKE WITH LIKE: {name} is another build in {what}")
    if notes and not anyway:
        raise UsageError(f"{notes[0].partition(': ')[2]}: compare anyway with --allow-mismatch, or use --against REV")
    for engine, runtime in plan.cells:
        if engine == REFERENCE:
            continue
        claim = baseline.speedup(engine, runtime) if runtime in shared and engine in theirs.engines else None
        if claim is None or claim.low is None or claim.high is None:
            unmatched.append(Row(engine, runtime, "NEW", what, reason=f"{what} has no speed of {engine} on {runtime}"))
        else:
            promised = theirs.engines[engine].parity
            pairs.append(
                ComparedPair((engine, runtime), (REFERENCE, runtime), claim.low, claim.high, not notes, promised)
            )
    # neither another one's file nor a row of a revision is an engine that was removed from here
    gone = [
        name
        for name, about in theirs.engines.items()
        if name not in plan.engines and not about.path and "@" not in name
    ]
    if all_builtin:
        unmatched += [
            Row(name, runtime, "REMOVED", what, reason=f"{what} has it, and it is gone since")
            for runtime in shared
            for name in gone
        ]
    return pairs, unmatched, notes
