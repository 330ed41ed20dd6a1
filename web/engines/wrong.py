"""A wrong engine, for fun: its relu lets every gradient through. The first loss is right, and no other."""

import dataclasses

from engines import fused_dot

Value = fused_dot.Value


def relu(x):
    return [Value(max(0, xi.data), (xi,), (1.0,)) for xi in x]


ENGINE = dataclasses.replace(
    fused_dot.ENGINE, name="wrong", summary="lets every gradient through a closed relu", parent="fused_dot", relu=relu
)
