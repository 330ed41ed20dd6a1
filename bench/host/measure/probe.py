"""What a reference repeats of a step: more than others do, and what proves their repeats, so that nobody knows beforehand which."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from bench.workload.clocks import CHAIN

REFERENCE_REPEATS = 3  # the root of the rows that are as slow, about nine, narrows all their intervals most
PROBED = 8  # repeats of a step that the reference does too, at most


class Probe:
    """Which of a step's repeats the reference does too: a few from the step's own state on, so many chains later.

    ``late``: of any chain that a cell taken at random comes to, not the first. Of the cell with the most repeats it
    would nearly always be one that no other comes to.
    """

    def __init__(self, late: bool) -> None:
        self.late, self.chain = late, 0
        self.count = 2 + secrets.randbelow(PROBED - 1)

    def choose(self, repeats: Sequence[int]) -> None:
        """``repeats``: how many each cell does of the step."""
        most = secrets.choice(repeats) if self.late and repeats else 1
        self.chain = secrets.randbelow(max(1, (most - 1) // CHAIN))

    def of(self, losses: list[float], reference: bool) -> list[float]:
        """Its losses among those of all repeats; the reference did no others."""
        first = 0 if reference else self.chain * CHAIN
        return losses[first : first + self.count]


def probes(steps: Sequence[int]) -> dict[int, Probe]:
    """Probes of two of the steps: one of the first chain, one of a later one."""
    chosen = secrets.SystemRandom().sample(steps, k=min(2, len(steps)))
    return {step: Probe(late=number == 1) for number, step in enumerate(chosen)}


def of_reference(repeats: int, least: int, probe: Probe | None) -> tuple[int, dict[str, Any]]:
    """How often a reference does a step, which fills its turn ``repeats`` times, and what else its worker is told.

    At ``least`` so often, as its noise is in every ratio, and those that are probed. Ratios are geometric over steps: where one
    fills the turn alone, its repeats count like steps.
    """
    told: dict[str, Any] = {"geometric": True} if repeats == 1 else {}
    if probe is None:
        return max(repeats, least), told
    return max(repeats, least, probe.count + 1), {"skip": probe.chain, **told}
