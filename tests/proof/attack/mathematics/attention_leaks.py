"""A batched engine without the causal mask: each position attends to the whole document. DIVERGED."""

import dataclasses

import engines

REFERENCE = engines.load("reference")


def each(op):
    return lambda xs, *rest: [op(x, *rest) for x in xs]


def attention(qs, keys, values, n_head):
    all_keys, all_values = [k for rows in keys for k in rows], [v for rows in values for v in rows]
    return [REFERENCE.attention(q, all_keys, all_values, n_head) for q in qs]


ENGINE = dataclasses.replace(
    REFERENCE,
    name="attention_leaks",
    batched=True,
    embedding=lambda w, indices: [w[index] for index in indices],
    add=lambda a, b: [REFERENCE.add(x, y) for x, y in zip(a, b)],
    linear=each(REFERENCE.linear),
    rmsnorm=each(REFERENCE.rmsnorm),
    relu=each(REFERENCE.relu),
    attention=attention,
    cross_entropy=lambda rows, targets: [REFERENCE.cross_entropy(row, t) for row, t in zip(rows, targets)],
    mean=lambda losses: REFERENCE.mean(losses[0]),
    probabilities=lambda rows, temperature: REFERENCE.probabilities(rows[0], temperature),
)
