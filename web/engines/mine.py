"""Your engine: change one thing, then check it. Here: fused_dot, with a relu of its own."""

import dataclasses

from engines import fused_dot

Value = fused_dot.Value


def relu(x):
    return [Value(max(0, xi.data), (xi,), (float(xi.data > 0),)) for xi in x]


ENGINE = dataclasses.replace(
    fused_dot.ENGINE,
    name="own",
    summary="an engine of mine",
    parent="fused_dot",
    change="relu over a row",
    relu=relu,
)
