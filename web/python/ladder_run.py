"""The six models from counting pairs to the GPT, trained side by side on the same documents."""

from __future__ import annotations

import time
from typing import Any, Dict, List, Union

from bench import Config, WorkloadError
from bench.workload import ladder
from bench.workload.ladder.ladder_model import LadderModel
from bench.workload.trainer import Trainer

EVALUATE_EVERY = 100
MOST_HELD_OUT = 40


class LadderRun:
    """The models, and the documents that none of them trains on."""

    def __init__(self, documents: List[str], config: Config) -> None:
        count = min(MOST_HELD_OUT, len(documents) // 5)
        if not count:
            raise WorkloadError(f"the text has {len(documents)} documents, and a fifth is held out: give five or more")
        plain = Config(
            seed=config.seed,
            n_embd=config.n_embd,
            n_head=config.n_head,
            n_layer=config.n_layer,
            block_size=config.block_size,
            learning_rate=config.learning_rate,
            schedule_steps=config.schedule_steps,
        )
        self.steps = config.schedule_steps
        self.models: Dict[str, Union[LadderModel, Trainer]] = {}
        for name in ladder.MODELS:
            model = ladder.make(name, "vector", list(documents), plain)
            self.unseen = model.documents[-count:]
            del model.documents[-count:]
            self.models[name] = model

    def about(self) -> Dict[str, Any]:
        """Names and parameters."""
        models = [
            {"name": name, "parameters": sum(len(row) for rows in model.weights().values() for row in rows)}
            for name, model in self.models.items()
        ]
        return {"models": models, "held_out": len(self.unseen)}

    def step(self) -> Dict[str, Any]:
        """A step of each: losses and ms; after some steps the loss on what is held out too."""
        losses, times, unseen = {}, {}, {}
        for name, model in self.models.items():
            started = time.perf_counter()
            done = model.step()
            times[name] = (time.perf_counter() - started) * 1e3
            losses[name] = done.loss
        if done.step % EVALUATE_EVERY == 0 or done.step in (1, self.steps):
            unseen = {name: self._evaluate(model) for name, model in self.models.items()}
        return {"step": done.step, "losses": losses, "ms": times, "unseen": unseen}

    def _evaluate(self, model: Union[LadderModel, Trainer]) -> float:
        if not isinstance(model, Trainer):
            return model.evaluate(self.unseen)
        model.held_out = self.unseen
        total = tokens = 0.0
        for document in self.unseen:
            model.held_out = [document]
            n = min(model.config.block_size, len(document) + 1)
            total += model.validate() * n
            tokens += n
        return total / tokens
