"""Sums from right to left: rounding, where bits are promised. A broken promise."""

import dataclasses

import engines


def linear(x, w):
    return [sum(wi * xi for wi, xi in zip(reversed(wo), reversed(x))) for wo in w]


ENGINE = dataclasses.replace(engines.load("reference"), name="sum_backwards", linear=linear)
