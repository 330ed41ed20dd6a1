"""The workload's sizes and numbers: microgpt.py's are the defaults."""

from __future__ import annotations

import dataclasses
import math


class WorkloadError(ValueError):
    """Bad input, said in one line: what is wrong and what to do."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Everything that, beside the documents, decides the losses.

    Raises WorkloadError where the sizes do not fit together.
    """

    n_layer: int = 1
    n_embd: int = 16
    block_size: int = 16
    n_head: int = 4
    init_std: float = 0.08
    seed: int = 42
    learning_rate: float = 0.01
    beta1: float = 0.85
    beta2: float = 0.99
    eps: float = 1e-8
    schedule_steps: int = 1000

    def __post_init__(self) -> None:
        for name in ("n_layer", "n_embd", "block_size", "n_head", "schedule_steps"):
            if getattr(self, name) < 1:
                raise WorkloadError(f"{name} is {getattr(self, name)}: it must be at least 1")
        for name in ("init_std", "learning_rate", "eps"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise WorkloadError(f"{name} is {getattr(self, name)}: it must be a finite number, 0 or more")
        for name in ("beta1", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise WorkloadError(f"{name} is {getattr(self, name)}: it must be at least 0 and below 1")
        if self.n_embd % self.n_head:
            raise WorkloadError(
                f"n_embd {self.n_embd} does not divide into {self.n_head} heads: choose n_embd as a multiple of n_head"
            )

    def learning_rate_at(self, step: int) -> float:
        """The learning rate of step ``step`` (from 0): linear decay to 0 at ``schedule_steps``, then 0."""
        return self.learning_rate * max(0.0, 1 - step / self.schedule_steps)
