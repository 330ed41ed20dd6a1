"""What a calibration's trials say: how often each rule calls copies slower, and the smallest slowdown that is found.

The rounds of equal copies, slowed down on paper, give the smallest slowdown that the gate finds in 80 and in 95 % of
checks (block bootstrap over rounds: Künsch 1989, "The Jackknife and the Bootstrap for General Stationary Observations").
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from pyperf._utils import is_significant  # no public name gives its rule without printing

from bench.host.results.calibration import Calibration, Trial
from bench.host.results.table import NOTHING
from bench.host.stats.noise import Floats
from bench.host.stats.sequential import Gate, Verdict

BLOCK = 16  # rounds that the bootstrap keeps together: a disturbance lasts for several
GRID = np.arange(0.0025, 0.5001, 0.0025)  # slowdowns looked at for the smallest that is found


def other_rules(threshold: float = 0.05) -> dict[str, Callable[[Floats, Floats], bool]]:
    """What other tools would say of two lists of seconds, a value a process: is the second slower?"""
    return {
        "pyperf: Student's t, 95 %": lambda a, b: bool(b.mean() > a.mean() and _students_t(a, b)),
        f"means more than {threshold:.0%} apart": lambda a, b: bool(b.mean() > (1 + threshold) * a.mean()),
        "asv: Mann-Whitney p < 0.002 and factor 1.1": lambda a, b: bool(
            np.median(b) > 1.1 * np.median(a) and _mann_whitney(a, b)
        ),
        "Mann-Whitney p < 0.002 alone": lambda a, b: bool(np.median(b) > np.median(a) and _mann_whitney(a, b)),
    }


def rates(calibration: Calibration) -> list[list[str]]:
    """A row for each rule: how many trials of equal copies, and of each slowdown, it calls slower."""
    shares = sorted({trial.slowdown for trial in calibration.trials})
    groups = {share: [trial for trial in calibration.trials if trial.slowdown == share] for share in shares}
    columns: list[list[Trial]] = []
    if 0.0 in groups:
        columns += [[t for t in groups[0.0] if t.burning is burning] for burning in (False, True)]
    columns += [groups[share] for share in shares if share]
    rows = [
        ["microgpt-bench check", *(_share(sum(t.verdict == "REGRESSED" for t in c), len(c)) for c in columns), NOTHING]
    ]
    apart = _apart(groups.get(0.0, []))
    for name, rule in other_rules().items():
        called = [sum(rule(np.array(t.baseline), np.array(t.seconds)) for t in column) for column in columns]
        shown = [_share(count, len(column)) for count, column in zip(called, columns)]
        rows.append([name, *shown, _share(sum(rule(a, b) or rule(b, a) for a, b in apart), len(apart))])
    return rows


def _apart(trials: Sequence[Trial]) -> list[tuple[Floats, Floats]]:
    """Equal copies measured one after the other, as two separate runs are: the next trial's against this one's."""
    pairs = []
    for one, other in zip(trials, trials[1:]):
        if one.burning is other.burning:
            rounds = min(len(one.baseline), len(other.baseline))
            pairs.append((np.array(one.baseline[:rounds]), np.array(other.baseline[:rounds])))
    return pairs


def _share(count: int, of: int) -> str:
    return f"{count}/{of}" if of else NOTHING


def smallest_found(calibration: Calibration, power: float, checks: int = 400) -> float | None:
    """The smallest slowdown that the gate finds in this share of checks within the budget; None where none is.

    Rounds of equal copies, drawn in blocks, are slowed down on paper: a slowdown by s takes log(1 + s) off every round's
    log-ratio, exactly what an injected one does.
    """
    equal = [trial for trial in calibration.trials if trial.slowdown == 0]
    logs = np.array([log for trial in equal for log in trial.logs])
    seconds = sum(trial.took_seconds for trial in equal) / max(1, sum(trial.rounds for trial in equal))
    if len(logs) < 2 * BLOCK or not seconds:
        return None
    gate, rng = calibration.gate, np.random.default_rng(1)
    rounds = min(gate.looks[-1], int(calibration.budget_seconds / seconds))
    blocks = rng.integers(0, len(logs), (checks, -(-rounds // BLOCK)))
    # two equal copies: which one is called the baseline is a toss
    drawn = logs[(blocks[..., None] + np.arange(BLOCK)) % len(logs)] * rng.choice([-1, 1], blocks.shape)[..., None]
    drawn = drawn.reshape(checks, -1)[:, :rounds]
    low, high = 0, len(GRID)  # the first point of the grid that is found often enough
    while low < high:
        middle = (low + high) // 2
        share = sum(_found(row - np.log1p(GRID[middle]), gate) for row in drawn) / checks
        low, high = (low, middle) if share >= power else (middle + 1, high)
    return float(GRID[low]) if low < len(GRID) else None


def _found(logs: Floats, gate: Gate) -> bool:
    """Whether a check that sees these rounds one after the other ends with REGRESSED."""
    looks = [look for look in gate.looks if look < len(logs)]
    for look in (*looks, len(logs)):
        verdict, _ = gate.judge(logs[:look], last=look == len(logs))
        if verdict is Verdict.REGRESSED and gate.recurs(logs[:look]):
            return True
        if verdict in (Verdict.PASS, Verdict.IMPROVED):
            return False
    return False


def concluded(calibration: Calibration) -> Calibration:
    """The same with what takes a while to work out."""
    return dataclasses.replace(
        calibration, found_80=smallest_found(calibration, 0.8), found_95=smallest_found(calibration, 0.95)
    )


def _students_t(a: Floats, b: Floats) -> bool:
    if len(a) < 2:  # of one process each nothing can be said
        return False
    return not (a.std() or b.std()) or bool(is_significant(list(a), list(b))[0])


def _mann_whitney(a: Floats, b: Floats) -> bool:
    from scipy.stats import mannwhitneyu  # here: its import takes longer than most commands

    return float(mannwhitneyu(a, b).pvalue) < 0.002
