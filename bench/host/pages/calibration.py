"""The table of the slowdowns that the gate detects on a machine."""

from __future__ import annotations

import numpy as np

from bench.host.results.calibration import Calibration, sees
from bench.host.results.power import rates
from bench.host.results.table import Table
from bench.host.results.verdicts import COUNT_THRESHOLD


def table(calibration: Calibration) -> Table:
    """False alarms and detections of the gate and of other tools' rules, with one column per kind of trial."""
    shares = sorted({trial.slowdown for trial in calibration.trials if trial.slowdown})
    equal = any(trial.slowdown == 0 for trial in calibration.trials)
    lines = [
        f"{calibration.engine} on {calibration.runtime}, {calibration.machine['cpu']}, {calibration.machine['cores']} cores; {calibration.created}",
        f"A trial is a check of one engine; threshold {calibration.gate.threshold:.1%}.",
        sees(calibration),
    ]
    for share in dict.fromkeys(trial.slowdown for trial in calibration.counts):
        seen = [1 / trial.ratio - 1 for trial in calibration.counts if trial.slowdown == share]
        alarms = sum(change > COUNT_THRESHOLD for change in seen)
        lines.append(
            f"{share:.1%} more instructions: {alarms} of {len(seen)} counts raised an alarm; measured as {min(seen):+.3%} to {max(seen):+.3%}"
        )
    for share in [0.0, *shares] if equal else shares:
        trials = [trial for trial in calibration.trials if trial.slowdown == share]
        rounds, seconds = (np.median([getattr(t, name) for t in trials]) for name in ("rounds", "took_seconds"))
        budget = trials[0].budget_seconds
        longest = max(trial.took_seconds for trial in trials)
        words = [trial.verdict for trial in trials]
        said = ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(sorted(words)))
        lines.append(
            f"{share:.1%} slower: {said}; {rounds:.0f} rounds, {seconds:.0f} s (median), {longest:.0f} s (longest of {budget:.0f} s allowed)"
        )
    return Table(
        title="What this machine can see",
        above=lines,
        headers=[
            "called slower by",
            *(["equal", "equal, a core busy"] if equal else []),
            *(f"{s:.1%} slower" for s in shares),
            "equal, one after the other",
        ],
        rows=rates(calibration),
        below=[
            "All rules see the same rounds, so the rules of other tools benefit from lockstep measuring here. In the last column",
            "equal copies are measured one after the other, like separate runs, and any difference is a false alarm.",
        ],
    )
