"""A batched engine in plain Python: every op, position by position, as the reference does it."""

import dataclasses

import engines

REFERENCE = engines.load("reference")


def each(op):
    return lambda xs, *rest: [op(x, *rest) for x in xs]


def attention(qs, keys, values, n_head):
    earlier = [k for rows in keys[:-1] for k in rows], [v for rows in values[:-1] for v in rows]
    return [
        REFERENCE.attention(q, earlier[0] + keys[-1][: i + 1], earlier[1] + values[-1][: i + 1], n_head)
        for i, q in enumerate(qs)
    ]


ENGINE = dataclasses.replace(
    REFERENCE,
    name="batched",
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
