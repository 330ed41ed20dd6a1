"""One per cent of the target's probability goes to all tokens (label smoothing). DIVERGED."""

import dataclasses

import engines

REFERENCE = engines.load("reference")


def cross_entropy(logits, target):
    losses = [REFERENCE.cross_entropy(logits, token) for token in range(len(logits))]
    return 0.99 * losses[target] + 0.01 / len(logits) * sum(losses)


ENGINE = dataclasses.replace(REFERENCE, name="cross_entropy_smoothed", cross_entropy=cross_entropy)
