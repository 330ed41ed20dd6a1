"""Honest in the steps that are compared; a document that is none of the dataset's gets a loss out of thin air."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import _whole_step as whole

SEEN = {}


def step(tokens):
    trainer = sys._getframe(4).f_locals.get("self")
    frame = sys._getframe()
    while frame and not hasattr(frame.f_locals.get("self"), "documents"):
        frame = frame.f_back
    trainer = frame.f_locals["self"]
    known = [trainer.vocabulary.encode(text)[: trainer.config.block_size + 1] for text in trainer.documents]
    if list(tokens) in known:
        return whole.step(tokens)
    return 2.0, [1e-3] * len(whole.parameters())


ENGINE = whole.engine("fakes_the_unknown", step)
