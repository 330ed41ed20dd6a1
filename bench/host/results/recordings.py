"""Recorded pairs of cells whose true ratio is known: copies of one engine, one of each pair slowed down by a known share.

``{"what": ..., "pairs": [{"injected": share, "baseline": [[...]], "seconds": [[...]]}]}``: rounds of fresh processes, each with
the times of the same steps, in any unit. `microgpt-bench calibrate --recordings FILE` holds the estimators against them.
"""

from __future__ import annotations

import dataclasses
import math
import pathlib
from collections.abc import Iterator, Sequence

import numpy as np

from bench.host.results import shapes
from bench.host.stats.noise import Floats
from bench.host.stats.paired import round_log_ratios
from bench.host.stats.sequential import Gate, Verdict
from bench.host.system.errors import UsageError

BLOCK = 8  # rounds that are drawn together: a disturbance lasts for several


@dataclasses.dataclass(frozen=True)
class Pair:
    """Both cells' times, (rounds, steps); ``injected``: by which share of a step the second one was slowed down."""

    injected: float
    baseline: Floats
    seconds: Floats


def read(path: pathlib.Path) -> tuple[str, list[Pair]]:
    """What was recorded, in words, and the pairs. Raises UsageError for a file that is none of recordings."""
    try:
        raw = shapes.parse(path)
        pairs = [
            Pair(float(one["injected"]), np.array(one["baseline"], float), np.array(one["seconds"], float))
            for one in raw["pairs"]
        ]
        for one in pairs:
            round_log_ratios(one.baseline[:1], one.seconds[:1])
            if one.baseline.shape != one.seconds.shape or one.baseline.min() <= 0 or one.seconds.min() <= 0:
                raise ValueError("a pair's two sides are not alike")
        return str(raw["what"]), pairs
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise UsageError(
            f"{path} holds no recorded pairs ({error}): give a file as results/calibration/recordings has"
        ) from None


def blocks(pairs: Sequence[Pair], rounds: int) -> Iterator[Pair]:
    """Disjoint blocks of so many rounds that follow one another."""
    for pair in pairs:
        for start in range(0, len(pair.baseline) - rounds + 1, rounds):
            part = slice(start, start + rounds)
            yield Pair(pair.injected, pair.baseline[part], pair.seconds[part])


def check(pairs: Sequence[Pair], gate: Gate, slowdown: float, rounds: int, rng: np.random.Generator) -> tuple[str, int]:
    """What a check of at most so many rounds says of a copy slowed down by this share, and after how many rounds.

    Its rounds are drawn in blocks from the recordings, either side being the baseline, and slowed down on paper.
    """
    starts = [(pair, start) for pair in pairs for start in range(len(pair.baseline) - BLOCK + 1)]
    drawn = []
    for choice in rng.integers(0, len(starts), -(-rounds // BLOCK)):
        pair, start = starts[choice]
        sides = [pair.baseline[start : start + BLOCK], pair.seconds[start : start + BLOCK] / (1 + pair.injected)]
        one = int(rng.integers(0, 2))
        drawn.append((sides[one], sides[1 - one] * (1 + slowdown)))
    baseline, seconds = (np.concatenate(side)[:rounds] for side in zip(*drawn))
    for look in (*(look for look in gate.looks if look < rounds), rounds):
        logs, _ = round_log_ratios(baseline[:look], seconds[:look])
        verdict, _ = gate.judge(logs, last=look == rounds)
        if verdict is Verdict.REGRESSED and not gate.recurs(logs):
            verdict = Verdict.INCONCLUSIVE
        if verdict is not Verdict.INCONCLUSIVE:
            break
    return str(verdict), look


def error(pair: Pair, log_ratio: float) -> float:
    """By how much an estimate of a pair's log-ratio is off."""
    return log_ratio + math.log1p(pair.injected)
