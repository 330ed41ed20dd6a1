"""The table of estimators and of the gate, held against recordings whose true ratio is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from bench.host.results.recordings import Pair, blocks, check, error
from bench.host.results.table import NOTHING, Table
from bench.host.stats.estimators import ESTIMATORS, Estimate
from bench.host.stats.noise import Floats
from bench.host.stats.sequential import Gate
from bench.host.stats.simulated import MACHINES

SIZES = (3, 5, 8, 16)  # rounds of a block
CHECKS = ((0.0, 80), (0.05, 80), (0.02, 400))  # share of a step put in, and the most rounds


def estimators(what: str, pairs: Sequence[Pair]) -> Table:
    """How far each estimator is off on disjoint blocks of the recordings, and how often its interval contains the true ratio."""
    rows = []
    for name, estimate in ESTIMATORS.items():
        row = [name]
        for size in SIZES:
            estimates = [(error(pair, at), half) for pair in blocks(pairs, size) for at, half in [_of(estimate, pair)]]
            row.append(_text(*np.array(estimates).T))
        rows.append(row)
    counts = ", ".join(f"{sum(1 for _ in blocks(pairs, size))} of {size}" for size in SIZES)
    return Table(
        "Estimators on recordings",
        [
            f"{what}",
            f"Disjoint blocks of rounds ({counts}): error (root mean square), bias, and how often the 95 % interval contains the true ratio.",
        ],
        ["estimator", *(f"{size} rounds" for size in SIZES)],
        rows,
        [],
    )


def simulations(rounds: int, steps: int, runs: int) -> Table:
    """The same for simulated machines."""
    rows = []
    for machine, model in MACHINES.items():
        rng, row = np.random.default_rng(5), [machine.strip()]
        drawn = [model.run(rng, rounds, steps) for _ in range(runs)]
        for estimate in ESTIMATORS.values():
            estimates = [estimate(baseline, seconds) for baseline, seconds, _ in drawn]
            off = np.array([at for at, _ in estimates]) - [true for _, _, true in drawn]
            row.append(_text(off, np.array([half for _, half in estimates])))
        rows.append(row)
    about = f"{runs} runs each of {rounds} rounds of {steps} steps: error (root mean square), bias, coverage of the 95 % interval."
    return Table("Estimators on simulated machines", [about], ["machine", *ESTIMATORS], rows, [])


def checks(pairs: Sequence[Pair], gate: Gate, trials: int) -> Table:
    """What the gate says of copies slowed down on paper, in rounds drawn from the recordings."""
    rows, rng = [], np.random.default_rng(1)
    for slowdown, most in CHECKS:
        outcomes = [check(pairs, gate, slowdown, most, rng) for _ in range(trials)]
        words = Counter(word for word, _ in outcomes)
        needed = np.quantile([rounds for _, rounds in outcomes], [0.5, 0.95])
        rows.append(
            [
                f"{slowdown:.0%}",
                str(most),
                ", ".join(f"{words[word]} {word}" for word in sorted(words)),
                "{:.0f}, {:.0f}".format(*needed),
            ]
        )
    return Table(
        "The gate on recordings",
        [
            f"{trials} checks each, whose rounds are drawn from the recordings in blocks; threshold {gate.threshold:.0%}."
        ],
        ["slowed down by", "rounds at most", "said", "rounds needed: half, 95 % of checks"],
        rows,
        [],
    )


def _text(off: Floats, half: Floats) -> str:
    sure = NOTHING if np.isnan(half).any() else f"{np.mean(np.abs(off) <= half):.0%}"
    return f"{np.sqrt(np.mean(off**2)):.2%} {np.mean(off):+.2%} {sure}"


def _of(estimate: Callable[[Floats, Floats], Estimate], pair: Pair) -> Estimate:
    return estimate(pair.baseline, pair.seconds)
