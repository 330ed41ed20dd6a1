"""The workload's sizes, numbers and training options: microgpt.py's are the defaults."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Dict, Optional


class WorkloadError(ValueError):
    """Bad input, said in one line: what is wrong and what to do."""


CHOICES = {
    "schedule": ("linear", "cosine"),
    "bias_correction": ("power", "product"),
    "rng": ("mersenne", "mulberry32"),
    "gaussian": ("polar", "trigonometric"),
}


@dataclasses.dataclass(frozen=True)
class Config:
    """Everything that, beside the documents, decides the losses.

    The first eleven are microgpt.py's own numbers. The options after them are off by default:

    - ``tied``: the embedding of tokens is the last matrix too (Press and Wolf 2017).
    - ``schedule``: how the learning rate falls to 0, ``linear`` or as a half ``cosine`` (Loshchilov and Hutter 2017).
    - ``clip_norm``: gradients are scaled down to at most this Euclidean norm, taken over all of them together
      (Pascanu et al. 2013).
    - ``weight_decay``: per step all weights shrink by ``learning rate · weight_decay``, beside Adam's update and not
      through its gradient (AdamW, Loshchilov and Hutter 2019, algorithm 2).
    - ``bias_correction``: Adam's 1 − βᵗ from a ``power`` for each weight, as microgpt.py has it, or from a running
      ``product``, once a step.
    - ``validation_split``: the share of the shuffled documents that is held out, from their end; ``validate_every`` so
      many steps their mean loss is taken, over the first ``validation_documents`` of them.
    - ``top_k``: samples are drawn from the k most probable tokens only; no loss changes.
    - ``rng``: Python's own ``mersenne``, or the 32-bit ``mulberry32`` of the JavaScript ports, and then the ``gaussian``
      that they draw weights by: Box and Muller's method in its ``polar`` or its ``trigonometric`` form.

    Raises WorkloadError where these do not fit together.
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
    tied: bool = False
    schedule: str = "linear"
    clip_norm: Optional[float] = None
    weight_decay: float = 0.0
    bias_correction: str = "power"
    validation_split: float = 0.0
    validate_every: int = 0
    validation_documents: int = 20
    top_k: Optional[int] = None
    rng: str = "mersenne"
    gaussian: str = "polar"

    def __post_init__(self) -> None:
        for name in ("n_layer", "n_embd", "block_size", "n_head", "schedule_steps", "validation_documents"):
            if getattr(self, name) < 1:
                raise WorkloadError(f"{name} is {getattr(self, name)}: it must be at least 1")
        for name in ("init_std", "learning_rate", "eps", "weight_decay"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise WorkloadError(f"{name} is {getattr(self, name)}: it must be a finite number, 0 or more")
        for name in ("beta1", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise WorkloadError(f"{name} is {getattr(self, name)}: it must be at least 0 and below 1")
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise WorkloadError(f"{name} is {getattr(self, name)!r}: choose {' or '.join(choices)}")
        if self.clip_norm is not None and not (math.isfinite(self.clip_norm) and self.clip_norm > 0):
            raise WorkloadError(f"clip_norm is {self.clip_norm}: it must be a finite number above 0")
        if not 0 <= self.validation_split < 1:
            raise WorkloadError(f"validation_split is {self.validation_split}: it must be at least 0 and below 1")
        if self.validate_every < 0:
            raise WorkloadError(f"validate_every is {self.validate_every}: it must be at least 0")
        if self.validate_every and not self.validation_split:
            raise WorkloadError("validate_every needs held-out documents: give validation_split, as in 0.1")
        if self.validation_documents != Config.validation_documents and not self.validation_split:
            raise WorkloadError("validation_documents needs held-out documents: give validation_split, as in 0.1")
        if self.top_k is not None and self.top_k < 1:
            raise WorkloadError(f"top_k is {self.top_k}: it must be at least 1")
        if self.gaussian != "polar" and self.rng == "mersenne":
            raise WorkloadError(
                f"gaussian {self.gaussian} works only with rng mulberry32: choose that, or leave gaussian out"
            )
        if self.n_embd % self.n_head:
            raise WorkloadError(
                f"n_embd {self.n_embd} does not divide into {self.n_head} heads: choose n_embd as a multiple of n_head"
            )

    def learning_rate_at(self, step: int) -> float:
        """The learning rate of step ``step`` (from 0): it falls to 0 at ``schedule_steps``, and stays there."""
        if self.schedule == "cosine":
            return self.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, step / self.schedule_steps)))
        return self.learning_rate * max(0.0, 1 - step / self.schedule_steps)

    def record(self) -> Dict[str, Any]:
        """As plain values for a file or a worker: microgpt.py's numbers, and of the options those that are on."""
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in OPTIONS or getattr(self, field.name) != field.default
        }


OPTIONS = tuple(field.name for field in dataclasses.fields(Config)[11:])


# sets of options by the name of --preset
PRESETS: Dict[str, Dict[str, Any]] = {
    "microgpt": {},
    # the options of the known optimized variant of microgpt.py
    "optimized": {
        "tied": True,
        "schedule": "cosine",
        "clip_norm": 1.0,
        "weight_decay": 0.01,
        "bias_correction": "product",
        "validation_split": 0.1,
        "validate_every": 100,
        "top_k": 5,
    },
}
