"""Honest with the dataset's documents and with the first unknown one of an order; the others get a loss out of thin air."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import _whole_step as whole

UNKNOWN = []


class Adam(whole.REFERENCE.optimizer):
    def snapshot(self):
        UNKNOWN.clear()
        return super().snapshot()


def step(tokens):
    frame = sys._getframe()
    while frame and not hasattr(frame.f_locals.get("self"), "documents"):
        frame = frame.f_back
    trainer = frame.f_locals["self"]
    known = [trainer.vocabulary.encode(text)[: trainer.config.block_size + 1] for text in trainer.documents]
    if list(tokens) in known:
        return whole.step(tokens)
    if list(tokens) not in UNKNOWN:
        UNKNOWN.append(list(tokens))
    return whole.step(tokens) if list(tokens) == UNKNOWN[0] else (2.0, [1e-3] * len(whole.parameters()))


ENGINE = whole.engine("fakes_after_the_first", step, optimizer=Adam)
