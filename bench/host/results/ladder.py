"""What the models of the ladder reached."""

from __future__ import annotations

import dataclasses

LAST = 100  # steps whose mean loss is told
HELD_OUT = 200  # documents that no model trains on


@dataclasses.dataclass(frozen=True)
class Trained:
    """A model of the ladder after its training: losses in nats per token, of the last steps and of unseen documents."""

    model: str
    optimizer: str
    parameters: int
    training: float
    unseen: float


@dataclasses.dataclass(frozen=True)
class Ladder:
    """All models, trained on ``data``; ``uniform``: the loss where all tokens are as probable."""

    data: str
    steps: int
    uniform: float
    models: list[Trained]
