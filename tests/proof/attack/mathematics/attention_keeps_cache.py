"""The first key and value of the document before are still attended to: right at the first step only. DIVERGED."""

import dataclasses

import engines

REFERENCE = engines.load("reference")
BEFORE, NOW = [], []


def attention(q, keys, values, n_head):
    NOW[:] = [([x.data for x in keys[0]], [x.data for x in values[0]])]  # numbers: only the forward pass is wrong
    return REFERENCE.attention(q, [*(k for k, _ in BEFORE), *keys], [*(v for _, v in BEFORE), *values], n_head)


class Adam(REFERENCE.optimizer):
    def update(self, t, learning_rate):
        super().update(t, learning_rate)
        BEFORE[:] = NOW

    def restore(self, snapshot):
        super().restore(snapshot)
        BEFORE.clear()


ENGINE = dataclasses.replace(REFERENCE, name="attention_keeps_cache", attention=attention, optimizer=Adam)
